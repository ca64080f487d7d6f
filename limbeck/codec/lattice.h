// Weights that are whole multiples of a scale, as GPTQ, AWQ and compressed-tensors store them, put
// into block formats without rounding anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "limbeck/base/tensor_type.h"

namespace limbeck {

// What 32 neighbours of a row share: w = scale (code - zero).
struct LatticeScale {
  float scale = 0;
  int zero = 0;
};

// Whether a row of these blocks, its codes in [0, max_code], is held exactly by `type`: every
// scale, minimum and level as it is, none rounded. False for types that know no such rows, and
// where the row does not divide into the type's blocks. Judged by the scales alone, so a row that
// happens not to use all its codes may be refused.
bool lattice_fits(TensorType type, std::span<const LatticeScale> blocks, int max_code);

// Encodes such a row. codes [32 * blocks.size()], bytes [row_bytes(type, codes.size())];
// lattice_fits(type, blocks, max_code) holds and no code is over max_code.
void encode_lattice(TensorType type, std::span<const LatticeScale> blocks,
                    std::span<const std::uint8_t> codes, int max_code, std::span<std::byte> bytes);

// Takes a row of Q4_0 or Q5_0 apart; sizes as in encode_lattice. Returns the largest code that the
// type has, or 0 if it is no other than these two (nothing is written then).
int read_lattice(TensorType type, std::span<const std::byte> bytes, std::span<LatticeScale> blocks,
                 std::span<std::uint8_t> codes);

}  // namespace limbeck
