// The advisor: from a model, a task and limits to a ranked plan (quantize, distil, both), with what
// each is expected to cost and give, where the expectation comes from, and what would change the
// answer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/base/thread_pool.h"
#include "limbeck/model/architecture.h"
#include "limbeck/pipeline/task_tokens.h"
#include "limbeck/task/task.h"

namespace limbeck::pipeline {

struct AdviseLimits {
  double max_bytes = 0;          // of the file; 0: none
  double max_memory = 0;         // bytes while running; 0: this machine's
  double min_tokens_per_s = 0;   // generation; 0: none
  double min_items_per_s = 0;    // task items; 0: none
  double gpu_hours = 0;          // of one accelerator at hand; 0: none
  double cpu_hours = 24;         // of this machine that may be spent on training
  std::string gpu = "H100 SXM";  // the accelerator of gpu_hours: a name of accelerators()
  bool general = false;          // must the model stay a generalist?
  std::int64_t context = 2048;   // positions the cache holds
};

// What this machine can do, measured in a fraction of a second.
struct MachineLimits {
  double read_bandwidth = 0;   // bytes/s of a large sequential read on all threads
  double cache_bandwidth = 0;  // the same of a few megabytes, again and again
  double int8_products = 0;    // multiply-adds/s of the kernels on all threads
  double memory_bytes = 0;
  double train_flops = 0;  // of matrix products in training; 0: cannot train
};
MachineLimits measure_machine(ThreadPool& pool);

struct AdviseInput {
  std::filesystem::path model;  // folder, GGUF file, or a folder with config.json alone
  Architecture architecture;
  double file_bytes = 0;           // 0: only the architecture is known
  double bits_per_weight = 16;     // as stored
  VocabularySize vocabulary;       // of its tokenizer; unknown where only config.json is there
  VocabularySize task_vocabulary;  // what the task uses of it
  std::optional<Task> task;
  std::vector<Json>
      results;  // earlier comparisons (limbeck.compare/1): own measurements come first
};
AdviseInput read_advise_input(const std::filesystem::path& model, const std::filesystem::path& task,
                              const std::vector<std::filesystem::path>& results);

// {"schema": "limbeck.advise/1", "model", "machine", "limits", "options": [{"plan", "kind", "type",
// "shape", "start", "vocabulary", "bytes", "memory_bytes", "memory_needed_bytes",
// "bits_per_weight", "parameters", "generation_tokens_per_s", "speed_and_memory", "items_per_s",
// "training": {..}, "quality":
// {"expected", "source"}, "fits", "against": [..], "reasons": [..]}], "advice": {"plan",
// "sentence", "would_change": [..]}}, best first. `measure`: the best plans' memory and speed are
// measured on random weights of their shapes, for about `measure_seconds`, instead of predicted.
Json advise(const AdviseInput& input, const AdviseLimits& limits, const MachineLimits& machine,
            ThreadPool* measure = nullptr, double measure_seconds = 0);

// Quick measurements of the model itself on its task, within about `seconds`: quantized on the fly
// and compared on as many test items as there is time for, into input.results. Does nothing without
// weights, tokenizer or task.
void measure_quality(AdviseInput& input, const MachineLimits& machine, double seconds,
                     const std::filesystem::path& task, const std::filesystem::path& cache,
                     ThreadPool& pool);

// The terminal text of an advice.
std::string advice_text(const Json& advice);

// A recipe that carries the first plan out; empty when that is to keep the model, or without a
// task.
std::string recipe_of(const Json& advice, const AdviseInput& input,
                      const std::filesystem::path& task);

}  // namespace limbeck::pipeline
