// Answers of a local model to the items of a task, and the language they are decoded in.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "limbeck/base/thread_pool.h"
#include "limbeck/runtime/generate.h"
#include "limbeck/task/task.h"

namespace limbeck {

struct Answer {
  std::string text;
  std::int64_t prompt_tokens = 0, answer_tokens = 0;
  double logprob = 0;  // of the answer's tokens, nats; 0 when unknown
};

// answers[i] belongs to examples[i].
using Answerer =
    std::function<std::vector<Answer>(const Task& task, std::span<const Example> examples)>;

struct AnswerOptions {
  bool constrained = true;  // decode only answers of the task's form (labels, schema, tools)
  PromptStyle style = PromptStyle::full;  // as the model's manifest says: prompt_style_of
  std::int64_t max_tokens = 256;
};

// Greedy answers of a local model, batched; answers[i] belongs to examples[i]. Classification is
// decided by constrained decoding over the labels. A prompt that leaves no room in the context gets
// an empty answer (counted as wrong, and said once). `on_done` hears how many items are done.
std::vector<Answer> answer_locally(const Model& model, ThreadPool& pool, const Task& task,
                                   std::span<const Example> examples, const AnswerOptions& options,
                                   const std::function<void(std::size_t done)>& on_done = {});

// The language of a task's answers, for constrained decoding; nullopt where any text is an answer.
// Throws Error{unsupported} for a schema that cannot be compiled.
std::optional<Grammar> answer_grammar(const Task& task);

// --- for teachers ---
// The prompt of one item as the model's own tokens.
std::vector<TokenId> task_prompt(const Tokenizer& tokenizer, const Task& task, const Json& input,
                                 PromptStyle style);

// generate_all over task prompts, in the task's grammar if `constrained`; a prompt that fills the
// context gets an empty answer, which is said.
std::vector<Generated> generate_answers(const Model& model, ThreadPool& pool, const Task& task,
                                        std::span<const std::vector<TokenId>> prompts,
                                        GenerateOptions options, bool constrained,
                                        const std::function<void(std::size_t done)>& on_done = {});

}  // namespace limbeck
