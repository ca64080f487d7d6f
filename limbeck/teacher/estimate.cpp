// What labelling will take, before it takes it.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "limbeck/base/terminal.h"
#include "limbeck/teacher/answer.h"
#include "limbeck/teacher/answer_store.h"
#include "limbeck/teacher/label.h"

namespace limbeck {
namespace {

// English text under the usual vocabularies.
constexpr double kBytesAToken = 4;

double bytes_of(const Json& messages) {
  double bytes = 0;
  for (const Json& message : messages) {
    bytes += static_cast<double>(message["content"].get_ref<const std::string&>().size());
  }
  return bytes;
}

// What is expected of an answer that nobody has given yet: the gold output, a label of middling
// length, or all that is allowed.
double unseen_answer(const Tokenizer* tokenizer, const Task& task, const Example& example,
                     const LabelRequest& request) {
  const auto tokens = [&](const std::string& text) {
    return tokenizer ? static_cast<double>(tokenizer->encode(text, false).size())
                     : static_cast<double>(text.size()) / kBytesAToken;
  };
  const auto most = static_cast<double>(request.max_tokens);
  if (example.output) return std::min(most, tokens(answer_text(task, *example.output)));
  if (task.kind != TaskKind::classification || task.labels.empty()) return most;
  double sum = 0;
  for (const auto& label : task.labels) sum += tokens(label);
  return std::min(most, sum / static_cast<double>(task.labels.size()));
}

struct Seen {  // in the store
  double bytes = 0, prompt_tokens = 0, answer_tokens = 0;
  std::int64_t n = 0;
};

}  // namespace

LabelEstimate estimate_labels(const std::string& identity, const Tokenizer* tokenizer,
                              const EndpointBudget& budget, const Task& task,
                              std::span<const Example> examples, const LabelRequest& request,
                              AnswerStore* store) {
  LabelEstimate estimate;
  estimate.items = static_cast<std::int64_t>(examples.size());
  Seen seen;
  double bytes = 0, exact_prompts = 0, unseen_answers = 0;
  std::set<std::string> asked;
  for (const Example& example : examples) {
    const Json messages = prompt_messages(task, example.input, request.style);
    const std::string key = answer_key(identity, task, messages, request);
    if (store != nullptr) {
      if (const auto found = store->find(key)) {
        ++estimate.from_store;
        seen.bytes += bytes_of(messages);
        seen.prompt_tokens += static_cast<double>(found->prompt_tokens);
        seen.answer_tokens += static_cast<double>(found->answer_tokens);
        ++seen.n;
        continue;
      }
    }
    if (!asked.insert(key).second) continue;
    bytes += bytes_of(messages);
    if (tokenizer) {
      exact_prompts +=
          static_cast<double>(task_prompt(*tokenizer, task, example.input, request.style).size());
    }
    unseen_answers += unseen_answer(tokenizer, task, example, request);
  }
  estimate.requests = static_cast<std::int64_t>(asked.size());
  estimate.prompt_tokens = tokenizer ? exact_prompts : bytes / kBytesAToken;
  estimate.answer_tokens = unseen_answers;
  estimate.basis = tokenizer ? "the vocabulary" : "four bytes a token";
  if (seen.n > 0 && seen.prompt_tokens > 0) {
    estimate.prompt_tokens = bytes * seen.prompt_tokens / std::max(1.0, seen.bytes);
    estimate.answer_tokens =
        static_cast<double>(estimate.requests) * seen.answer_tokens / static_cast<double>(seen.n);
    estimate.basis = fmt::format("{} answers in the store", seen.n);
  }
  estimate.cost = cost_of(budget, estimate.prompt_tokens, estimate.answer_tokens);
  if (store != nullptr) {
    if (const auto speed = store->find_speed(identity)) {
      estimate.seconds = (estimate.prompt_tokens + estimate.answer_tokens) / *speed;
    }
  }
  return estimate;
}

Json to_json(const LabelEstimate& e) {
  return {{"items", e.items},
          {"from_store", e.from_store},
          {"requests", e.requests},
          {"prompt_tokens", e.prompt_tokens},
          {"answer_tokens", e.answer_tokens},
          {"cost", e.cost},
          {"seconds", e.seconds ? Json(*e.seconds) : Json()},
          {"basis", e.basis}};
}

std::string text_of(const LabelEstimate& e) {
  std::string text =
      fmt::format("{} of {} items to ask, about {} prompt and {} answer tokens (by {})", e.requests,
                  e.items, human_count(e.prompt_tokens), human_count(e.answer_tokens), e.basis);
  if (e.cost > 0) text += fmt::format(", cost {:.4g}", e.cost);
  if (e.seconds) text += fmt::format(", {}", human_seconds(*e.seconds));
  return text;
}

}  // namespace limbeck
