#include "limbeck/pipeline/task_tokens.h"

#include <algorithm>
#include <string>
#include <variant>

#include "limbeck/base/error.h"
#include "limbeck/model/trim_vocabulary.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck::pipeline {
namespace {

// Bytes of a GGUF value as stored: type, and for arrays element type and count.
struct StoredBytes {
  double operator()(const std::string& text) const {
    return 4 + 8 + static_cast<double>(text.size());
  }
  double operator()(const std::vector<std::string>& texts) const {
    double bytes = 4 + 4 + 8;
    for (const std::string& text : texts) bytes += 8 + static_cast<double>(text.size());
    return bytes;
  }
  double operator()(const std::vector<bool>& flags) const {
    return 4 + 4 + 8 + static_cast<double>(flags.size());
  }
  template <typename T>
  double operator()(const std::vector<T>& values) const {
    return 4 + 4 + 8 + static_cast<double>(values.size() * sizeof(T));
  }
  template <typename T>
  double operator()(const T&) const {
    return 4 + sizeof(T);
  }
};

void append(std::vector<TokenId>& to, const std::vector<TokenId>& ids) {
  to.insert(to.end(), ids.begin(), ids.end());
}

}  // namespace

std::vector<TokenId> task_tokens(std::vector<TokenId> seen, const Tokenizer& tokenizer,
                                 const Task& task) {
  const auto add = [&](const std::string& text) { append(seen, tokenizer.encode(text, false)); };
  for (const std::string& label : task.labels) add(label);
  if (!task.schema.is_null()) add(to_text(task.schema));
  if (!task.tools.is_null()) add(to_text(task.tools));
  std::ranges::sort(seen);
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  return seen;
}

VocabularySize vocabulary_size(const Tokenizer& tokenizer) {
  VocabularySize size{tokenizer.vocab_size(), 0};
  for (const auto& [key, value] : tokenizer.to_gguf())
    size.bytes += 8 + static_cast<double>(key.size()) + std::visit(StoredBytes{}, value);
  return size;
}

VocabularySize task_vocabulary_size(const Tokenizer& tokenizer, const Task& task) {
  if (task.train.empty()) return {};
  std::vector<TokenId> seen;
  for (const Example& example : task.train) {
    append(seen, chat_prompt(tokenizer, prompt_messages(task, example.input, PromptStyle::bare)));
    if (example.output) append(seen, tokenizer.encode(answer_text(task, *example.output), false));
  }
  try {
    const auto used = task_tokens(std::move(seen), tokenizer, task);
    return vocabulary_size(trim_tokenizer(tokenizer, used).tokenizer);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace limbeck::pipeline
