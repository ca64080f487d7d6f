// Post-processors: the tokens around a text.
// Semantics: tokenizers/src/processors of huggingface/tokenizers, for one text (no pairs).
#pragma once

#include <string_view>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/text/tokenizer_spec.h"

namespace limbeck {

struct Frame {
  std::vector<TokenId> before, after;
};

// The frame of spec.post_processor; without one, what add_bos and add_eos say. Throws
// Error{unsupported} naming an unknown type, Error{format} on bad fields and ids out of range.
Frame read_frame(const TokenizerSpec& spec);

}  // namespace limbeck
