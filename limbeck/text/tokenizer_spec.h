// What a tokenizer is, as plain data: the meeting point of tokenizer.json, GGUF vocabularies and
// the trainer. Readers make one, writers take one, Tokenizer runs one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck {

enum class ModelKind { bpe, unigram, word_piece, word_level };

// A token found in the text before the model sees it. The flags are those of tokenizer.json.
struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool special = false;                 // a control token: only trusted text makes it
  bool single_word = false;             // not inside a word
  bool lstrip = false, rstrip = false;  // takes the blanks before / after it
  bool normalized = false;              // looked for in the normalized text
};

// Two neighbours become one. Lower ranks merge first; equal ones from left to right.
struct Merge {
  TokenId left, right, result;
  std::uint32_t rank;
};

// The vocabulary and how it is applied ("model" of a tokenizer.json).
struct ModelSpec {
  ModelKind kind = ModelKind::bpe;
  // By id; nullopt where no piece of the model has that id (holes, and added tokens).
  std::vector<std::optional<std::string>> pieces;
  std::vector<double> scores;  // unigram: log probabilities by id; else empty
  std::vector<Merge> merges;   // bpe
  std::optional<TokenId> unknown;
  std::string continuing_subword_prefix, end_of_word_suffix;
  bool fuse_unk = false;          // neighbouring unknown characters become one token
  bool byte_fallback = false;     // unknown characters become <0xXX> tokens
  bool ignore_merges = false;     // a word that is a piece is taken whole
  int max_word_characters = 100;  // word_piece: longer words are unknown
};

struct TokenizerSpec {
  std::string origin;  // for errors
  ModelSpec model;
  std::vector<AddedToken> added;
  Json normalizer, pre_tokenizer, post_processor, decoder;  // as in tokenizer.json
  std::optional<TokenId> bos, eos, pad, unknown;
  std::optional<bool> add_bos, add_eos;  // what the model's maker said about it, if anything
  std::vector<TokenId> stops;            // beyond EOS
  std::vector<std::pair<std::string, std::string>> chat_templates;  // name ("" = default), source

  // One more than the highest id.
  std::size_t size() const;
};

// tokenizer.json <-> spec (model, added tokens, pipeline). Throws as Tokenizer::from_json.
TokenizerSpec read_tokenizer_json(std::string_view text, std::string_view origin);
std::string write_tokenizer_json(const TokenizerSpec& spec);

// tokenizer_config.json <-> spec (special tokens, add_bos_token, chat templates). Reading needs the
// tokens of `spec` in place; a named token that is not among them is ignored.
void read_tokenizer_config(std::string_view text, std::string_view origin, TokenizerSpec& spec);
std::string write_tokenizer_config(const TokenizerSpec& spec);

}  // namespace limbeck
