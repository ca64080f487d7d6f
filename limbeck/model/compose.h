// Canonical tensors -> the tensors of a file: names, fusing, transposes, the order of rotary rows
// and the convention of norm weights. The inverse of what Checkpoint reads.
#pragma once

#include <span>
#include <vector>

#include "limbeck/format/gguf.h"
#include "limbeck/model/checkpoint.h"
#include "limbeck/model/layout.h"

namespace limbeck {

// In the order of tensor_specs; bytes are made on demand from those of `tensors`, which must
// outlive the result. In GGUF files vectors (norms, biases) become f32, as llama.cpp wants them;
// every other tensor keeps its type. Throws Error{usage} naming a tensor that is missing, unknown,
// of a wrong shape, or fused with one of another type.
std::vector<GgufTensor> compose(const Architecture& architecture,
                                std::span<const NamedTensor> tensors, StoredIn target);

}  // namespace limbeck
