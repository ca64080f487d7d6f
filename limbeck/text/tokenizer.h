// Tokenizers: text <-> ids, from tokenizer.json (Hugging Face) or a GGUF file's vocabulary.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/format/gguf.h"

namespace limbeck {

using TokenId = std::int32_t;

enum class TokenKind : std::uint8_t { normal, control, user_defined, byte, unknown, unused };

// A stretch of a prompt. Only trusted text (the template's own) may become special tokens.
struct PromptSegment {
  std::string text;
  bool trusted = false;
};

class Tokenizer {
 public:
  // A Hugging Face folder: tokenizer.json and, if there, tokenizer_config.json (add_bos_token,
  // special tokens, chat template) and chat_template.jinja. Throws Error{usage} if there is no
  // tokenizer.json, Error{format} on bad content, Error{unsupported} naming the part of the
  // pipeline that is not known.
  static Tokenizer from_folder(const std::filesystem::path& folder);
  static Tokenizer from_json(std::string_view tokenizer_json, std::string_view config_json,
                             std::string_view origin);
  // tokenizer.ggml.* keys (models gpt2, llama, t5). Throws likewise.
  static Tokenizer from_gguf(const GgufReader& file);
  // Either, by what `model` is: a folder or a .gguf file.
  static Tokenizer open(const std::filesystem::path& model);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Untrusted text: never yields a control token from its content. add_special adds what the model
  // wants around a text (BOS, EOS). Invalid UTF-8 is encoded as U+FFFD (as Hugging Face does) or by
  // bytes.
  std::vector<TokenId> encode(std::string_view text, bool add_special = true) const;
  // Special tokens spelled in the text become those tokens, as `tokenizers` does by default.
  std::vector<TokenId> encode_trusted(std::string_view text, bool add_special = true) const;
  // A rendered prompt: special tokens are found in trusted segments only; the rest of neighbouring
  // segments is encoded as one text, so that with all segments trusted this equals encode_trusted
  // of their concatenation.
  std::vector<TokenId> encode_segments(std::span<const PromptSegment> segments,
                                       bool add_special) const;

  // ids out of range throw Error{format}.
  std::string decode(std::span<const TokenId> ids, bool skip_special = true) const;

  // The raw bytes a token stands for inside a text (control tokens: none); for constrained decoding
  // and streaming. A SentencePiece-style leading space is a space here.
  const std::string& token_bytes(TokenId id) const;
  const std::string& token_piece(TokenId id) const;  // as stored in the vocabulary
  TokenKind kind(TokenId id) const;
  std::optional<TokenId> find(std::string_view piece) const;

  // Does decode() drop a blank at the start of a text (as SentencePiece vocabularies ask for)?
  bool strips_first_blank() const noexcept;

  int vocab_size() const noexcept;
  std::optional<TokenId> bos() const noexcept;
  std::optional<TokenId> eos() const noexcept;
  std::optional<TokenId> pad() const noexcept;
  std::optional<TokenId> unknown() const noexcept;
  // Tokens that end an answer: EOS, end of turn (<|im_end|>, <|eot_id|>, <end_of_turn>, ...).
  std::span<const TokenId> stop_tokens() const noexcept;

  // The source of the chat template; empty if the model has none. Named alternatives by name
  // ("tool_use"), the default otherwise.
  const std::string& chat_template(std::string_view name = {}) const;

  // SHA-256 over the token table (piece, kind, id), merges or scores: equal hashes, equal
  // vocabularies.
  const std::string& hash() const;

  // The tokenizer.ggml.* keys for a GGUF file. Throws Error{unsupported} if it cannot be expressed
  // there.
  GgufMetadata to_gguf() const;
  // tokenizer.json and tokenizer_config.json texts: the original ones when read from a folder, else
  // made anew.
  std::string to_tokenizer_json() const;
  std::string to_tokenizer_config_json() const;

  struct Impl;

 private:
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Turns ids into text as they come, never splitting a UTF-8 character or its leading-space rule.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true);
  std::string add(TokenId id);  // the text that is now certain; may be empty
  std::string finish();         // what was held back (an incomplete character becomes U+FFFD)

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  bool first_ = true;
  std::string held_;
};

}  // namespace limbeck
