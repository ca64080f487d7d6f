// A model that knows fewer tokens: those of its task, the bytes, and what merges need.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "limbeck/model/checkpoint.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck {

struct TrimmedTokenizer {
  Tokenizer tokenizer;
  std::vector<TokenId> kept;  // the old id of each new one, rising
};

// Keeps `used`, every control and added token, the tokens of single bytes, and the parts of every
// kept token. A text that the old vocabulary spells in kept tokens is spelled by the same ones
// (merges that made other tokens never took part in it); any other text still has a spelling.
// Throws Error{usage} on an id outside the vocabulary, Error{unsupported} for word vocabularies,
// which have no smaller parts to fall back to.
TrimmedTokenizer trim_tokenizer(const Tokenizer& tokenizer, std::span<const TokenId> used);

// Writes `model` with that vocabulary: the rows of its embedding and output that belong to kept
// tokens, everything else as it is. Logits of kept tokens are the same for the same text. The
// manifest tells under "vocabulary" what was left. Weights must be of 16 or 32 bits.
// Returns the old id of each new one. Throws as trim_tokenizer, Checkpoint::open, write_hf_model.
std::vector<TokenId> trim_vocabulary(const std::filesystem::path& model,
                                     std::span<const TokenId> used,
                                     const std::filesystem::path& output);

}  // namespace limbeck
