// What the advisor starts from: the model's numbers, the task, earlier results, and this machine.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <numeric>

#include "limbeck/base/error.h"
#include "limbeck/distill/trainer.h"
#include "limbeck/model/checkpoint.h"
#include "limbeck/pipeline/advise.h"
#include "limbeck/pipeline/compare.h"
#include "limbeck/report/results.h"

namespace limbeck::pipeline {
namespace {

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Bytes/s of reading 256 MiB in order on all threads: the best of five passes.
double read_bandwidth(ThreadPool& pool) {
  std::vector<std::uint64_t> words(std::size_t{32} << 20);
  pool.run_ranges(words.size(), words.size() / 64, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) words[i] = i;
  });
  std::atomic<std::uint64_t> sink = 0;
  double best = 0;
  for (int pass = 0; pass < 5; ++pass) {
    const double seconds = seconds_of([&] {
      pool.run_ranges(words.size(), words.size() / 64, [&](std::size_t begin, std::size_t end) {
        std::uint64_t sums[8] = {};  // eight chains, so that the loads are not waited for
        for (std::size_t i = begin; i + 8 <= end; i += 8) {
          for (std::size_t j = 0; j < 8; ++j) sums[j] += words[i + j];
        }
        sink += std::accumulate(std::begin(sums), std::end(sums), std::uint64_t{0});
      });
    });
    best = std::max(best, static_cast<double>(words.size() * sizeof(std::uint64_t)) / seconds);
  }
  return best;
}

}  // namespace

MachineLimits measure_machine(ThreadPool& pool) {
  MachineLimits limits;
  limits.read_bandwidth = read_bandwidth(pool);
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
  for (const auto& path : results) {
    input.results.push_back(read_json_file(path.string(), {.bytes = std::size_t{64} << 20}));
    report::check_results(input.results.back(), path.string());
  }
  return input;
}

}  // namespace limbeck::pipeline
