// Measures: the score of a task, and perplexity and KL divergence on text.
#pragma once

#include <cstdint>
#include <map>
#include <span>
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
  // classification: accuracy, macro_f1, valid; extraction: exact_record, field_f1 (micro),
  // field_f1_macro (mean over fields), valid; qa: exact_match, token_f1; tool_calling: equivalent,
  // staged, valid; generation: rouge_l, exact_match. Proportions have Wilson's interval, others the
  // bootstrap's.
  std::map<std::string, Interval> metrics;
  std::string primary;              // the metric that decides: primary_metric(kind)
  std::vector<double> item_scores;  // primary, per test item: for paired tests
  std::vector<ItemScore> items;
  double seconds = 0;  // set by whoever timed the answers
};

// Examples without a gold output are passed over. Throws Error{usage} when the numbers of examples
// and answers differ.
TaskResult score_task(const Task& task, std::span<const Example> examples,
                      std::span<const Answer> answers);
Json to_json(const TaskResult& result);

Json to_json(const Interval& interval);  // {"value", "low", "high"}

struct TextOptions {
  // Tokens in a window, at most the model's context. Windows do not overlap; each starts with BOS
  // if the model adds one, and what has no token before it is not predicted.
  std::int64_t context = 512;
  bool beyond_context = false;  // allow windows longer than the context that the file states
  bool score_all = true;  // false: the second half of full windows only, as llama-perplexity does
  std::int64_t max_tokens = 0;  // predicted; 0: the whole text
  // Not empty: the text is cut at it, and each piece without blanks around it is a window of its
  // own, the rest of a longer one left out. "\n": each line.
  std::string separator;
  std::int64_t skip_records = 0, max_records = 0;  // pieces left out at the start; 0: all
  TensorType cache = TensorType::f32;  // the model's keys and values; the reference's stay f32
};

struct TextResult {
  std::int64_t tokens = 0;   // predicted
  std::int64_t bytes = 0;    // of text that the predicted tokens stand for
  double nll = 0;            // nats, sum
  Interval perplexity;       // exp(nll / tokens)
  double bits_per_byte = 0;  // nll / ln 2 / bytes: comparable across vocabularies
  // against a reference model (same vocabulary):
  bool has_reference = false;
  Interval kl;  // mean KL(reference || model), nats a token
  double kl_median = 0, kl_p999 = 0, kl_max = 0;
  Interval same_top1;  // share of positions where both prefer the same token
};

// Windows of token ids for `evaluate_windows`. Throws Error{usage} on an empty text or bad options.
std::vector<std::vector<TokenId>> text_windows(const Tokenizer& tokenizer, std::string_view text,
                                               const TextOptions& options);

// One process holds both models. Intervals by blocks of up to 128 adjacent tokens. Throws
// Error{usage} if vocabularies differ or a window passes a context, Error{numeric} on a NaN.
TextResult evaluate_text(const Model& model, const Tokenizer& tokenizer, ThreadPool& pool,
                         std::string_view text, const TextOptions& options,
                         const Model* reference = nullptr);
struct WindowOptions {
  std::int64_t first_target = 1;  // the position in each window where predictions begin, >= 1
  bool beyond_context = false;    // as in TextOptions
  TensorType cache = TensorType::f32;
};
// `tokenizer` only counts bytes; nullptr: none are counted.
TextResult evaluate_windows(const Model& model, const Tokenizer* tokenizer, ThreadPool& pool,
                            std::span<const std::vector<TokenId>> windows,
                            const WindowOptions& options = {}, const Model* reference = nullptr);

// {"tokens", "nll", "perplexity", "perplexity_low", "perplexity_high", "bits_per_byte"} and, with a
// reference, "kl": {"mean", "median", "p999", "max", "low", "high"}, "same_top1" with _low, _high.
Json to_json(const TextResult& result);

}  // namespace limbeck
