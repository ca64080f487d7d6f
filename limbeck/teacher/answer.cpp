// Answers of a local model: prompts, grammar, batched generation.
#include "limbeck/teacher/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/teacher/answer_form.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck {
namespace {

// A schema beyond the compiler is no reason not to evaluate: the answers are then free, and checked
// all the same.
std::optional<Grammar> grammar_if_possible(const Task& task) {
  try {
    return answer_grammar(task);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::unsupported) throw;
    say(fmt::format("{}: answers are not constrained: {}", task.name, e.what()));
    return std::nullopt;
  }
}

// A token is at least a byte, so the longest label bounds the tokens; one more ends the answer.
std::int64_t longest_answer(const Task& task, std::int64_t limit) {
  if (task.kind != TaskKind::classification) return limit;
  std::size_t longest = 0;
  for (const auto& label : task.labels) longest = std::max(longest, label.size());
  return std::min(limit, static_cast<std::int64_t>(longest) + 1);
}

}  // namespace

std::optional<Grammar> answer_grammar(const Task& task) {
  switch (task.kind) {
    case TaskKind::classification:
      return Grammar::from_choices(task.labels);
    case TaskKind::extraction:
      return Grammar::from_json_schema(task.schema);
    case TaskKind::tool_calling:
      return Grammar::from_tools(task.tools, task.parallel_calls);
    case TaskKind::qa:
    case TaskKind::generation:
      break;
  }
  return std::nullopt;
}

AnswerForm answer_form(const Task& task, std::int64_t max_tokens, bool constrained) {
  AnswerForm form{std::nullopt, max_tokens};
  if (constrained) form.grammar = grammar_if_possible(task);
  if (form.grammar) form.max_tokens = longest_answer(task, max_tokens);
  return form;
}

std::vector<TokenId> task_prompt(const Tokenizer& tokenizer, const Task& task, const Json& input,
                                 PromptStyle style) {
  return chat_prompt(tokenizer, prompt_messages(task, input, style));
}

std::vector<Generated> generate_answers(const Model& model, ThreadPool& pool, const Task& task,
                                        std::span<const std::vector<TokenId>> prompts,
                                        GenerateOptions options, bool constrained,
                                        const std::function<void(std::size_t done)>& on_done) {
  const Tokenizer& tokenizer = model.checkpoint().tokenizer();
  const AnswerForm form = answer_form(task, options.max_tokens, constrained);
  options.grammar = form.grammar ? &*form.grammar : nullptr;
  options.max_tokens = form.max_tokens;
  const std::int64_t context = model.architecture().context_length;

  std::vector<std::vector<TokenId>> fitting;
  std::vector<std::size_t> places;  // of `fitting` in `prompts`
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (static_cast<std::int64_t>(prompts[i].size()) >= context) continue;
    fitting.push_back(prompts[i]);
    places.push_back(i);
  }
  const std::size_t too_long = prompts.size() - fitting.size();
  if (too_long > 0) {
    say(
        fmt::format("{}: {} of {} prompts are longer than the model's context of {} tokens; they "
                    "count as unanswered",
                    task.name, too_long, prompts.size(), context));
  }
  std::vector<Generated> answers(prompts.size());
  if (fitting.empty()) return answers;
  auto generated = generate_all(model, tokenizer, pool, fitting, options, [&](std::size_t done) {
    if (on_done) on_done(too_long + done);
  });
  for (std::size_t i = 0; i < places.size(); ++i) answers[places[i]] = std::move(generated[i]);
  return answers;
}

std::vector<Answer> answer_locally(const Model& model, ThreadPool& pool, const Task& task,
                                   std::span<const Example> examples, const AnswerOptions& options,
                                   const std::function<void(std::size_t done)>& on_done) {
  const Tokenizer& tokenizer = model.checkpoint().tokenizer();
  std::vector<std::vector<TokenId>> prompts;
  for (const Example& example : examples) {
    prompts.push_back(task_prompt(tokenizer, task, example.input, options.style));
  }
  GenerateOptions generation;
  generation.max_tokens = options.max_tokens;
  const auto generated =
      generate_answers(model, pool, task, prompts, generation, options.constrained, on_done);
  std::vector<Answer> answers;
  for (std::size_t i = 0; i < generated.size(); ++i) {
    const Generated& g = generated[i];
    answers.push_back({g.text, static_cast<std::int64_t>(prompts[i].size()),
                       static_cast<std::int64_t>(g.ids.size()),
                       std::accumulate(g.logprobs.begin(), g.logprobs.end(), 0.0)});
  }
  return answers;
}

}  // namespace limbeck
