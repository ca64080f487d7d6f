#include "limbeck/pipeline/train_rows.h"

#include <algorithm>

#include "limbeck/base/error.h"
#include "limbeck/distill/train_data.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck::pipeline {
namespace {

distill::TrainRow make_row(const Tokenizer& tokenizer, const Task& task, const Example& example,
                           std::string_view answer, PromptStyle style) {
  return distill::answer_row(tokenizer,
                             chat_prompt(tokenizer, prompt_messages(task, example.input, style)),
                             answer, /*answers_only=*/true);
}

std::vector<distill::SoftTarget> soft_targets(const TeacherAnswer& answer,
                                              const distill::TrainRow& row) {
  const auto n = row.tokens.size() - static_cast<std::size_t>(row.first_target);
  const bool same_tokens =
      answer.soft.size() == n && answer.ids.size() + 1 == n &&
      std::equal(answer.ids.begin(), answer.ids.end(), row.tokens.begin() + row.first_target);
  std::vector<distill::SoftTarget> targets;
  if (!same_tokens) return targets;
  for (const SoftLabel& label : answer.soft) {
    // Counts are whole numbers of draws; log-probabilities are never positive. An endpoint does not
    // tell the stop token's distribution: there the token alone is learnt.
    const bool counts = std::ranges::any_of(label.values, [](float value) { return value > 0; });
    using Kind = distill::SoftTarget::Kind;
    const Kind kind = label.ids.empty() ? Kind::none : counts ? Kind::counts : Kind::top_k;
    targets.push_back({kind, label.ids, label.values});
  }
  return targets;
}

}  // namespace

RowSet gold_rows(const Tokenizer& tokenizer, const Task& task, std::span<const Example> examples,
                 PromptStyle style, std::int64_t context) {
  RowSet set;
  for (const Example& example : examples) {
    if (!example.output) continue;
    auto row = make_row(tokenizer, task, example, answer_text(task, *example.output), style);
    if (static_cast<std::int64_t>(row.tokens.size()) > context) {
      ++set.too_long;
    } else {
      set.rows.push_back(std::move(row));
    }
  }
  return set;
}

RowSet answer_rows(const Tokenizer& tokenizer, const Task& task, std::span<const Example> examples,
                   std::span<const TeacherAnswer> answers, PromptStyle style, std::int64_t context,
                   bool same_vocabulary) {
  LIMBECK_ASSERT(examples.size() == answers.size());
  RowSet set;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (!parse_answer(task, answers[i].text).valid) {
      ++set.invalid;
      continue;
    }
    auto row = make_row(tokenizer, task, examples[i], answers[i].text, style);
    if (static_cast<std::int64_t>(row.tokens.size()) > context) {
      ++set.too_long;
      continue;
    }
    if (same_vocabulary) row.soft = soft_targets(answers[i], row);
    set.soft += !row.soft.empty();
    set.rows.push_back(std::move(row));
    set.example.push_back(i);
  }
  return set;
}

}  // namespace limbeck::pipeline
