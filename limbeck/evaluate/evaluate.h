// Measures: the score of a task, perplexity and KL divergence on text, speed and memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/base/thread_pool.h"
#include "limbeck/evaluate/statistics.h"
#include "limbeck/runtime/generate.h"
#include "limbeck/task/task.h"
#include "limbeck/teacher/answer.h"

namespace limbeck {

struct TaskResult {
  std::string task, kind;
  std::int64_t n = 0;
  std::map<std::string, Interval>
      metrics;          // "accuracy", "macro_f1", "exact_record", "field_f1", "valid", ...
  std::string primary;  // the metric that decides
  std::vector<double> item_scores;  // primary, per test item: for paired tests
  std::vector<ItemScore> items;
  double seconds = 0;
};
TaskResult score_task(const Task& task, std::span<const Example> examples,
                      std::span<const Answer> answers);
Json to_json(const TaskResult& result);

struct TextOptions {
  std::int64_t context =
      512;                // window length in tokens (at most the model's); windows do not overlap,
  bool score_all = true;  // each starts with BOS if the model has one; score_all false: second half
                          // only (as llama-perplexity)
  std::int64_t max_tokens = 0;  // 0: the whole text
};
struct TextResult {
  std::int64_t tokens = 0;  // predicted
  double nll = 0;           // nats, sum
  Interval perplexity;
  // against a reference model (same vocabulary):
  bool has_reference = false;
  Interval kl;  // mean KL(reference || model), nats a token
  double kl_median = 0, kl_p999 = 0, kl_max = 0;
  Interval same_top1;  // share of positions where both prefer the same token
};
TextResult evaluate_text(const Model& model, const Tokenizer& tokenizer, ThreadPool& pool,
                         std::string_view text, const TextOptions& options,
                         const Model* reference = nullptr);
Json to_json(const TextResult& result);

}  // namespace limbeck
