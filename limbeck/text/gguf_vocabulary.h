// Vocabularies of GGUF files: tokenizer.ggml.* keys <-> TokenizerSpec.
// Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; behaviour: llama.cpp's
// src/llama-vocab.cpp.
#pragma once

#include <span>
#include <string_view>

#include "limbeck/format/gguf.h"
#include "limbeck/text/tokenizer_spec.h"

namespace limbeck {

// A spec that gives the ids llama.cpp gives. Throws Error{format} on missing or bad keys,
// Error{unsupported} naming a tokenizer.ggml.model or .pre that is not known.
TokenizerSpec read_gguf_vocabulary(const GgufReader& file);

// The keys under which llama.cpp gives the ids of `spec`. Throws Error{unsupported} naming what
// GGUF cannot say.
GgufMetadata write_gguf_vocabulary(const TokenizerSpec& spec, std::span<const TokenKind> kinds);

// How a unigram vocabulary that removes extra blanks cuts its words, as a step of tokenizer.json.
Json split_at_blanks();

}  // namespace limbeck
