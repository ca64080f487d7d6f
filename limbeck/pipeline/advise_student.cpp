#include "limbeck/pipeline/advise_student.h"

#include <algorithm>
#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/pipeline/expectations.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck::pipeline {
namespace {

constexpr double kBytesPerToken = 4;  // English text, vocabularies of 8k and more

// Bytes of a GGUF value as stored: type, and for arrays element type and count.
struct StoredBytes {
  double operator()(const std::string& text) const {
    return 4 + 8 + static_cast<double>(text.size());
  }
  double operator()(const std::vector<std::string>& texts) const {
    double bytes = 4 + 4 + 8;
    for (const std::string& text : texts) bytes += 8 + static_cast<double>(text.size());
    return bytes;
  }
  double operator()(const std::vector<bool>& flags) const {
    return 4 + 4 + 8 + static_cast<double>(flags.size());
  }
  template <typename T>
  double operator()(const std::vector<T>& values) const {
    return 4 + 4 + 8 + static_cast<double>(values.size() * sizeof(T));
  }
  template <typename T>
  double operator()(const T&) const {
    return 4 + sizeof(T);
  }
};

}  // namespace

Architecture student_shape(const Architecture& teacher, double parameters) {
  Architecture best;
  double best_distance = 1e300;
  for (const std::int64_t hidden :
       {32, 64, 96, 128, 192, 256, 320, 384, 512, 640, 768, 1024, 1280, 1536, 2048, 2560, 3072}) {
    for (const std::int64_t layers : {2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28}) {
      // Small models want depth in proportion: between 16 and 128 units of width a layer.
      if (hidden < 16 * layers || hidden > 128 * layers) continue;
      Architecture shape;
      shape.family = Family::llama;
      shape.vocab_size = teacher.vocab_size;
      shape.context_length = std::min<std::int64_t>(teacher.context_length, 1024);
      shape.hidden = hidden;
      shape.layers = layers;
      shape.head_dim = hidden >= 512 ? 64 : 32;
      shape.heads = hidden / shape.head_dim;
      shape.kv_heads = shape.heads % 2 == 0 ? shape.heads / 2 : shape.heads;
      shape.ffn = hidden * 5 / 2 / 32 * 32;
      shape.rope_dim = shape.head_dim;
      shape.attention_scale = 1 / std::sqrt(static_cast<double>(shape.head_dim));
      shape.tied_embeddings = true;
      const double distance =
          std::abs(std::log(static_cast<double>(parameter_count(shape)) / parameters));
      if (distance < best_distance) best = shape, best_distance = distance;
    }
  }
  return best;
}

TaskSize task_size(const Task& task) {
  TaskSize size;
  const auto& examples = task.test;
  for (const Example& example : examples) {
    size.prompt_tokens +=
        static_cast<double>(input_text(example.input).size()) / kBytesPerToken + 6;
    if (example.output)
      size.answer_tokens +=
          static_cast<double>(answer_text(task, *example.output).size()) / kBytesPerToken + 1;
  }
  const auto n = static_cast<double>(std::max<std::size_t>(examples.size(), 1));
  return {size.prompt_tokens / n, size.answer_tokens / n};
}

TrainingCost training_cost(const Task& task, double items, const Architecture& teacher,
                           const Architecture& student, const MachineLimits& machine,
                           std::string_view gpu) {
  const TaskSize size = task_size(task);
  const double tokens = items * (size.prompt_tokens + size.answer_tokens);
  TrainingCost cost;
  cost.tokens = kAdvisedEpochs * tokens;
  cost.flop = 6 * static_cast<double>(parameter_count(student)) * cost.tokens +
              2 * static_cast<double>(parameter_count(teacher)) * tokens;
  if (machine.train_flops > 0)
    cost.cpu_hours = cost.flop / (machine.train_flops * kUtilisation) / 3600;
  cost.gpu_hours = cost.flop / (find_accelerator(gpu).tflops * 1e12 * kUtilisation) / 3600;
  return cost;
}

double file_overhead(const std::filesystem::path& model, const Architecture& architecture,
                     bool quantized) {
  double bytes = 1400;  // architecture keys
  for (const TensorSpec& tensor : tensor_specs(architecture)) {
    const auto name = static_cast<double>(tensor.name.size());
    bytes += 8 + name + 4 + 16 + 4 + 8;
    if (quantized) bytes += name + 74;  // {"name": .., "type": .., "error": .., "method": ..}
  }
  try {
    for (const auto& [key, value] : Tokenizer::open(model).to_gguf())
      bytes += 8 + static_cast<double>(key.size()) + std::visit(StoredBytes{}, value);
  } catch (const Error&) {  // only config.json is there
    bytes += 16.0 * static_cast<double>(architecture.vocab_size);
  }
  return bytes;
}

}  // namespace limbeck::pipeline
