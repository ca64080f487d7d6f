// What the advisor starts from: the model's numbers, the task, earlier results, and this machine.
#include <unistd.h>

#include "limbeck/base/error.h"
#include "limbeck/distill/trainer.h"
#include "limbeck/model/checkpoint.h"
#include "limbeck/pipeline/advise.h"
#include "limbeck/pipeline/advise_student.h"
#include "limbeck/pipeline/compare.h"
#include "limbeck/report/results.h"
#include "limbeck/runtime/bench.h"

namespace limbeck::pipeline {
MachineLimits measure_machine(ThreadPool& pool) {
  MachineLimits limits;
  limits.read_bandwidth = measure_read_bandwidth(pool, std::size_t{256} << 20);
  limits.cache_bandwidth = measure_read_bandwidth(pool, std::size_t{4} << 20);
  limits.int8_products = measure_int8_products(pool);
  limits.memory_bytes =
      static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  if (distill::can_train()) limits.train_flops = distill::matmul_flops(pool.size());
  return limits;
}

AdviseInput read_advise_input(const std::filesystem::path& model, const std::filesystem::path& task,
                              const std::vector<std::filesystem::path>& results) {
  AdviseInput input;
  input.model = model;
  input.architecture = read_architecture(model);
  const bool weights = std::filesystem::is_regular_file(model) ||
                       std::filesystem::exists(model / "model.safetensors") ||
                       std::filesystem::exists(model / "model.safetensors.index.json");
  if (weights) {
    const Checkpoint checkpoint = Checkpoint::open(model);
    input.file_bytes = static_cast<double>(checkpoint.file_bytes());
    input.bits_per_weight =
        8 * input.file_bytes / static_cast<double>(parameter_count(input.architecture));
  }
  if (!task.empty()) input.task = read_task(task);
  try {
    const Tokenizer tokenizer = Tokenizer::open(model);
    input.vocabulary = vocabulary_size(tokenizer);
    if (input.task) input.task_vocabulary = task_vocabulary_size(tokenizer, *input.task);
  } catch (const Error&) {  // without one sizes are estimates
  }
  for (const auto& path : results) {
    input.results.push_back(read_json_file(path.string(), {.bytes = std::size_t{64} << 20}));
    report::check_results(input.results.back(), path.string());
  }
  return input;
}

void measure_quality(AdviseInput& input, const MachineLimits& machine, double seconds,
                     const std::filesystem::path& task, const std::filesystem::path& cache,
                     ThreadPool& pool) {
  if (!input.task || input.file_bytes <= 0 || cache.empty()) return;
  const double parameters = static_cast<double>(parameter_count(input.architecture));
  // Rounding costs about a microsecond a weight and type.
  if (parameters * 3e-6 > seconds / 3) return;
  const TaskSize size = task_size(*input.task);
  const double item_s = (size.prompt_tokens + size.answer_tokens) * parameters /
                        std::max(0.05 * machine.int8_products, 1.0);
  CompareOptions options;
  options.models.push_back({"", input.model.string(), "original", ""});
  options.tasks.push_back(task);
  if (input.bits_per_weight >= 15) options.bits = {"q8_0", "q4_k_m", "q3_k_m"};
  options.bits_method = "rtn";
  options.limit = static_cast<std::int64_t>(std::max(seconds / 6 / item_s, 20.0));
  options.speed = false;
  options.cache = cache;
  options.command = "limbeck advise --measure";
  input.results.insert(input.results.begin(), compare(options, pool));
}

}  // namespace limbeck::pipeline
