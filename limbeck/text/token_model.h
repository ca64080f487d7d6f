// What turns a word into token ids. Four kinds, one interface.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "limbeck/text/tokenizer_spec.h"

namespace limbeck {

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the ids of `word` (valid UTF-8, or raw bytes where the model was made for them).
  // Unless `trusted`, no control token comes out. Safe for any number of threads.
  virtual void encode(std::string_view word, bool trusted, std::vector<TokenId>& out) const = 0;
};

// `control[id]`: is it a control token? `raw_bytes`: words are raw bytes and pieces are spelled in
// the characters of byte_level.h. The spec must outlive the model.
std::unique_ptr<TokenModel> make_bpe(const ModelSpec& spec, const std::vector<bool>& control,
                                     bool raw_bytes);
std::unique_ptr<TokenModel> make_unigram(const ModelSpec& spec, const std::vector<bool>& control);
std::unique_ptr<TokenModel> make_word_piece(const ModelSpec& spec,
                                            const std::vector<bool>& control);
std::unique_ptr<TokenModel> make_word_level(const ModelSpec& spec,
                                            const std::vector<bool>& control);

// Can a model of `spec` work on raw bytes: has it a piece for each byte that UTF-8 has?
bool has_all_bytes(const ModelSpec& spec);

// The tokens <0x00> ... <0xFF> of a vocabulary with byte_fallback; a vocabulary may lack some.
class ByteTokens {
 public:
  explicit ByteTokens(const ModelSpec& spec);  // none unless spec.byte_fallback
  // Appends a token for each byte of `text`; nothing, and false, unless there is one for each.
  bool append(std::string_view text, std::vector<TokenId>& out) const;

 private:
  std::vector<TokenId> ids_;  // by byte, -1 where missing; or empty
};

// Piece -> id.
using PieceIndex = std::unordered_map<std::string_view, TokenId>;
PieceIndex index_of(const ModelSpec& spec);  // views into the spec

}  // namespace limbeck
