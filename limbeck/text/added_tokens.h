// Finds added tokens in a text, leftmost and longest, before the model sees the rest.
// Semantics: AddedVocabulary of huggingface/tokenizers (tokenizer/added_vocabulary.rs).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/text/byte_trie.h"
#include "limbeck/text/tokenizer_spec.h"

namespace limbeck {

// A piece of a text: a token found in it, or text for the model.
struct Section {
  std::size_t begin, end;
  std::optional<TokenId> token;
};

class AddedTokens {
 public:
  AddedTokens() = default;
  // `contents[i]` is what to look for in place of tokens[i].content (its normalized form).
  AddedTokens(std::vector<AddedToken> tokens, std::vector<std::string> contents);

  // A control token at [begin, end) is taken only if `trusted(begin, end)`.
  std::vector<Section> find(std::string_view text,
                            const std::function<bool(std::size_t, std::size_t)>& trusted) const;

  bool empty() const noexcept { return tokens_.empty(); }

 private:
  std::vector<AddedToken> tokens_;
  ByteTrie trie_;
};

}  // namespace limbeck
