// GGUF metadata <-> Architecture.
#pragma once

#include "limbeck/format/gguf.h"
#include "limbeck/model/architecture.h"

namespace limbeck {

// From the keys, and from what only the tensors tell (biases, tying, rope factors). The result is
// checked. Throws Error{format} naming the key, Error{unsupported} on an unknown architecture or a
// file that is one part of several.
Architecture from_gguf(const GgufReader& file);

// general.architecture and the keys of that architecture, as llama.cpp wants them. Throws
// Error{unsupported} if llama.cpp would compute something else from them.
GgufMetadata gguf_keys(const Architecture& architecture);

// The attention scale that llama.cpp uses: it is no key of the file.
double gguf_attention_scale(const Architecture& architecture);

}  // namespace limbeck
