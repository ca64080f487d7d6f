// What the formats with a scale per group have in common, so that one decoder and one solver serve
// them all: w = d scale[group] level(code) - dmin min[group].
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "limbeck/base/tensor_type.h"

namespace limbeck {

struct GridFormat {
  TensorType type;
  int weights;     // in a block
  int group;       // weights that share a scale
  int codes;       // a code is in [0, codes)
  int zero;        // level(code) = code - zero, where the levels are evenly spaced
  bool has_min;    // whether dmin and mins are stored
  int scale_low;   // sub-scales are in [scale_low, scale_high]; 1 and 1 where there are none
  int scale_high;  //
  int min_high;    // sub-mins are in [0, min_high]; 1 where there is one min for the block
  const std::int8_t* levels;  // [codes] where they are not evenly spaced, else null

  int groups() const noexcept { return weights / group; }
  int level(int code) const noexcept { return levels ? levels[code] : code - zero; }
};

// A block taken apart. Only the first `groups()` scales and `weights` codes have a meaning.
struct UnpackedBlock {
  float d = 0, dmin = 0;  // values of the stored binary16 (MXFP4: a power of two)
  std::array<std::int16_t, 16> scales{};
  std::array<std::int16_t, 16> mins{};
  std::array<std::uint8_t, 256> codes{};
};

// nullptr for plain types, ternary types and those with a grid table.
const GridFormat* find_grid_format(TensorType type) noexcept;

// One block, `bytes` of info(type).block_bytes. `format` is one of find_grid_format.
void unpack_block(const GridFormat& format, const std::byte* bytes, UnpackedBlock& block);
// d and dmin are rounded to binary16; scales, mins and codes must be in their ranges.
void pack_block(const GridFormat& format, const UnpackedBlock& block, std::byte* bytes);

// [weights] from a block taken apart, in the reference's order of operations.
void block_weights(const GridFormat& format, const UnpackedBlock& block, float* weights);

}  // namespace limbeck
