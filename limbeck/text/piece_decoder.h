// Decoders: pieces back to text.
// Semantics: tokenizers/src/decoders of huggingface/tokenizers.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/json.h"

namespace limbeck {

class PieceDecoder {
 public:
  PieceDecoder() = default;  // pieces joined by blanks
  // `json`: the "decoder" of a tokenizer.json, or null. Throws Error{unsupported} naming an unknown
  // type, Error{format} on bad fields.
  PieceDecoder(const Json& json, std::string_view origin);

  // The result may hold U+FFFD for bytes that form no character.
  std::string decode(std::vector<std::string> pieces) const;

  // The bytes that one piece stands for inside a text.
  std::string bytes(std::string_view piece) const;
  // Does decode() drop a blank at the start of the text?
  bool strips_first_blank() const noexcept { return strips_first_blank_; }

  using Step = std::function<void(std::vector<std::string>&)>;
  using PieceStep = std::function<void(std::string&)>;

 private:
  friend class PieceDecoderReader;
  std::vector<Step> steps_;
  std::vector<PieceStep> piece_steps_;  // of bytes()
  bool strips_first_blank_ = false;
};

// The byte that <0x00> ... <0xFF> spell.
std::optional<std::uint8_t> byte_of_piece(std::string_view piece);

}  // namespace limbeck
