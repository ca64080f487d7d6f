// The part of a vocabulary that a task uses.
#pragma once

#include <cstdint>
#include <vector>

#include "limbeck/task/task.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck::pipeline {

// Every token that the task is known to use, rising: `seen` in its rows, and of the answers that it
// allows.
std::vector<TokenId> task_tokens(std::vector<TokenId> seen, const Tokenizer& tokenizer,
                                 const Task& task);

// A vocabulary as a GGUF file stores it.
struct VocabularySize {
  std::int64_t tokens = 0;  // 0: unknown
  double bytes = 0;         // of its keys
};
VocabularySize vocabulary_size(const Tokenizer& tokenizer);

// What `vocabulary: task` will leave of it, as far as the training inputs and gold outputs tell: a
// teacher's answers may use other tokens. Nothing known of a vocabulary that cannot be cut down.
VocabularySize task_vocabulary_size(const Tokenizer& tokenizer, const Task& task);

}  // namespace limbeck::pipeline
