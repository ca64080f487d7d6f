// What the formats whose codes are entries of a table (grids.h) have in common, so that one search
// and one solver serve them all: w = d unit (2 scale + 1) entry sign.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "limbeck/base/tensor_type.h"

namespace limbeck {

struct TableFormat {
  TensorType type;
  std::size_t dims;         // weights of an entry: 8 or 4
  std::size_t scale_group;  // weights that share a 4-bit scale: 16 or 32
  float unit;
  bool even_signs;                        // the minus signs of 8 weights are an even number
  std::span<const std::uint8_t> entries;  // [n * dims] magnitudes
  std::span<const std::uint8_t> levels;   // rising: every magnitude is one of them

  std::size_t groups() const noexcept { return 256 / scale_group; }
  // The step of a group: its weights are this times an entry, with signs. Exact in float.
  float step(float d, unsigned scale) const noexcept {
    return d * unit * static_cast<float>(2 * scale + 1);
  }
};

// A superblock taken apart. Only the first `groups()` scales and 256 / dims entries have a meaning.
struct TableBlock {
  float d = 0;                              // a value of binary16
  std::array<std::uint8_t, 16> scales{};    // 0..15
  std::array<std::uint16_t, 64> entries{};  // [256 / dims]
  std::array<std::uint8_t, 32> signs{};     // bit set: minus; one byte for 8 weights
};

// nullptr for all but IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS and IQ3_S.
const TableFormat* find_table_format(TensorType type) noexcept;

// One superblock, `bytes` of info(type).block_bytes. `format` is one of find_table_format.
void unpack_block(const TableFormat& format, const std::byte* bytes, TableBlock& block);
// d is rounded to binary16; signs must be even where the format wants them so.
void pack_block(const TableFormat& format, const TableBlock& block, std::byte* bytes);

// [256] from a superblock taken apart, the same floats that decode_row gives.
void block_weights(const TableFormat& format, const TableBlock& block, float* weights);

}  // namespace limbeck
