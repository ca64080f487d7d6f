// Inside Tokenizer: the spec and the machinery made from it.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "limbeck/text/added_tokens.h"
#include "limbeck/text/normalizer.h"
#include "limbeck/text/piece_decoder.h"
#include "limbeck/text/post_processor.h"
#include "limbeck/text/pre_tokenizer.h"
#include "limbeck/text/token_model.h"
#include "limbeck/text/tokenizer_spec.h"

namespace limbeck {

struct Tokenizer::Impl {
  explicit Impl(TokenizerSpec given);

  TokenizerSpec spec;
  std::string tokenizer_json, config_json;  // as read; empty: not from a folder
  std::vector<std::string> pieces, bytes;   // by id
  std::vector<TokenKind> kinds;
  std::vector<bool> control;  // by id
  std::unordered_map<std::string_view, TokenId> index;
  std::vector<TokenId> stops;

  AddedTokens raw_added, normalized_added;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  bool raw_bytes = false;  // does the model see bytes, not characters?
  std::unique_ptr<TokenModel> model;
  Frame frame;
  PieceDecoder decoder;

  mutable std::once_flag hashed;
  mutable std::string hash;

  // Throws Error{format} naming the id if it is out of range.
  std::size_t check(TokenId id) const;
  void encode(std::span<const PromptSegment> segments, std::vector<TokenId>& out) const;
};

}  // namespace limbeck
