// The binary16 numbers of each block format: its scale and, where it has one, its minimum. Every
// weight of a block is linear in them, so they can be trained while all other bits stay as they
// are.
#pragma once

#include <cstddef>
#include <span>

#include "limbeck/base/tensor_type.h"

namespace limbeck {

// Where they lie in a block, in bytes from its begin. Empty for types that have none: plain
// numbers, integers, MXFP4 (whose scale is a power of two).
std::span<const std::size_t> scale_fields(TensorType type) noexcept;

}  // namespace limbeck
