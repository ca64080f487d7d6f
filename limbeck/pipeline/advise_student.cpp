#include "limbeck/pipeline/advise_student.h"

#include <algorithm>
#include <cmath>

#include "limbeck/pipeline/expectations.h"

namespace limbeck::pipeline {
namespace {

constexpr double kTrainingBytes = 16;  // a parameter: weight, gradient, two moments
constexpr double kBytesPerToken = 4;   // English text, vocabularies of 8k and more

std::int64_t steps_of_32(double value) {
  return std::max<std::int64_t>(32, std::llround(value / 32) * 32);
}

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

bool can_be_cut(const Architecture& teacher) {
  return teacher.embedding_scale == 1 &&
         (teacher.sliding_window == 0 || teacher.sliding_pattern <= 1) && teacher.layers >= 2;
}

distill::CutShape cut_shape(const Architecture& teacher, double parameters) {
  distill::CutShape best;
  double best_distance = 1e300;
  for (std::int64_t hidden = 32; hidden <= teacher.hidden; hidden += 32) {
    const double share = static_cast<double>(hidden) / static_cast<double>(teacher.hidden);
    const auto kv_heads =
        std::max<std::int64_t>(1, std::llround(share * static_cast<double>(teacher.kv_heads)));
    for (std::int64_t layers = 2; layers <= teacher.layers; ++layers) {
      const distill::CutShape shape{
          .layers = layers,
          .hidden = hidden,
          .ffn = std::min(teacher.ffn, steps_of_32(share * static_cast<double>(teacher.ffn))),
          .heads = kv_heads * (teacher.heads / teacher.kv_heads)};
      const double depth = static_cast<double>(layers) / static_cast<double>(teacher.layers);
      // Depth as much as width: the students that were measured kept a third of the layers and half
      // of the width (examples/README.md).
      const double distance =
          std::abs(std::log(static_cast<double>(parameter_count(cut_architecture(teacher, shape))) /
                            parameters)) +
          0.3 * std::abs(std::log(depth / share));
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
                           const Student& student, const MachineLimits& machine,
                           std::string_view gpu) {
  const TaskSize size = task_size(task);
  const double tokens = items * (size.prompt_tokens + size.answer_tokens);
  const auto count = [](const Architecture& a) { return static_cast<double>(parameter_count(a)); };
  TrainingCost cost;
  cost.tokens = kAdvisedEpochs * tokens;
  cost.flop = 6 * count(student.shape) * cost.tokens + 2 * count(teacher) * tokens;
  double largest = count(student.shape);
  if (student.cut) {
    cost.cutting_bytes = 4 * count(teacher);
    const int rounds = rounds_of(teacher, *student.cut);
    for (int round = 1; round < rounds; ++round) {
      const double between =
          count(cut_architecture(teacher, shape_after(teacher, student.cut->shape, round, rounds)));
      cost.tokens += kShareBetween * kAdvisedEpochs * tokens;
      cost.flop += 6 * between * kShareBetween * kAdvisedEpochs * tokens;
      largest = std::max(largest, between);
    }
  }
  cost.training_bytes = kTrainingBytes * largest;
  if (machine.train_flops > 0)
    cost.cpu_hours = cost.flop / (machine.train_flops * kUtilisation) / 3600;
  cost.gpu_hours = cost.flop / (find_accelerator(gpu).tflops * 1e12 * kUtilisation) / 3600;
  return cost;
}

double file_overhead(const Architecture& architecture, const VocabularySize& vocabulary,
                     bool quantized) {
  double bytes = 1400;  // architecture keys
  for (const TensorSpec& tensor : tensor_specs(architecture)) {
    const auto name = static_cast<double>(tensor.name.size());
    bytes += 8 + name + 4 + 16 + 4 + 8;
    if (quantized) bytes += name + 74;  // {"name": .., "type": .., "error": .., "method": ..}
  }
  return bytes + (vocabulary.tokens > 0 ? vocabulary.bytes
                                        : 16.0 * static_cast<double>(architecture.vocab_size));
}

}  // namespace limbeck::pipeline
