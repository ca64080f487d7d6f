// What a task says of the form of its answers, as decoding takes it. Of answer.cpp.
#pragma once

#include <cstdint>
#include <optional>

#include "limbeck/task/task.h"
#include "limbeck/text/grammar.h"

namespace limbeck {

// The language of an answer, nullopt where it is not wanted, there is none, or it cannot be
// compiled (which is said); and how many tokens one can take.
struct AnswerForm {
  std::optional<Grammar> grammar;
  std::int64_t max_tokens = 256;
};

// `max_tokens`: what is allowed; fewer where no answer is so long.
AnswerForm answer_form(const Task& task, std::int64_t max_tokens, bool constrained);

}  // namespace limbeck
