// Sentencepiece's precompiled normalization: a double-array trie from byte strings to their
// replacements. Format: normalizer.cc of google/sentencepiece and darts-clone's units.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/text/text_growth.h"

namespace limbeck {

class Charsmap {
 public:
  // u32 bytes of the trie, the trie, then the zero-terminated replacements.
  // Throws Error{format} naming `origin` unless all of it is in range.
  static Charsmap parse(std::string_view bytes, std::string_view origin);
  static Charsmap from_base64(std::string_view text, std::string_view origin);

  struct Match {
    std::size_t bytes;  // of the text
    std::string_view replacement;
  };
  // The shortest / the longest key that `text` begins with.
  std::optional<Match> shortest(std::string_view text) const;
  std::optional<Match> longest(std::string_view text) const;

  // As huggingface/tokenizers does it (spm_precompiled): a grapheme cluster of under 6 bytes is
  // looked up as a whole, and else by characters. Throws Error{format} as `growth` does.
  std::string apply(std::string_view text, const TextGrowth& growth) const;

 private:
  template <typename Found>
  void each(std::string_view text, Found&& found) const;

  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

}  // namespace limbeck
