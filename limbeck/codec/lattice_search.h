// Weights in a float type that are whole multiples of a scale all the same: what quantization-aware
// training leaves, when it writes the weights as it saw them.
#pragma once

#include <cstdint>
#include <span>

#include "limbeck/codec/lattice.h"

namespace limbeck {

constexpr int kLatticeCodes = 16;  // of 4 bits

// Takes a row of f32, f16 or bf16 weights apart: weights [32 * blocks.size()], which are values of
// the type `stored`; codes as many, below kLatticeCodes. Where the answer is true, every scale is a
// binary16 value and scale * (code - zero), rounded to `stored`, is the weight. Zeros are 8, as
// Q4_0 wants, or another power of two, as Q4_1 does, where the codes allow it. False where a block
// is on no such lattice.
bool find_lattice(TensorType stored, std::span<const float> weights, std::span<LatticeScale> blocks,
                  std::span<std::uint8_t> codes);

}  // namespace limbeck
