// Pre-tokenizers: cut a normalized text into the words that the model sees, some rewriting it.
// Semantics: tokenizers/src/pre_tokenizers of huggingface/tokenizers.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/json.h"

namespace limbeck {

// A text cut into words, in order; what no word covers is dropped.
struct Words {
  struct Range {
    std::size_t begin, end;
  };
  std::string text;
  std::vector<Range> ranges;
  bool at_start = false;  // is text[0] the start of the whole input?

  explicit Words(std::string whole, bool starts = true)
      : text(std::move(whole)), ranges{{0, text.size()}}, at_start(starts) {}
  std::string_view word(const Range& range) const {
    return std::string_view(text).substr(range.begin, range.end - range.begin);
  }
};

class PreTokenizer {
 public:
  PreTokenizer() = default;  // the whole text is one word
  // `json`: the "pre_tokenizer" of a tokenizer.json, or null. Throws Error{unsupported} naming an
  // unknown type, Error{format} on bad fields.
  PreTokenizer(const Json& json, std::string_view origin);

  // Does it end with the step that turns bytes into the characters of byte_level.h?
  bool byte_level() const noexcept { return byte_level_; }

  // With `keep_bytes`, that last step is left out: the words are raw bytes. Throws Error{format}
  // where the text grows out of proportion (text_growth.h).
  void cut(Words& words, bool keep_bytes) const;

  using Step = std::function<void(Words&)>;

 private:
  std::string where_;
  std::vector<Step> steps_;
  bool byte_level_ = false;
};

}  // namespace limbeck
