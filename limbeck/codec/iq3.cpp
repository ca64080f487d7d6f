// IQ3_XXS and IQ3_S: 4 weights share one entry of a grid of magnitudes.
#include <cstring>

#include "limbeck/base/f16.h"
#include "limbeck/codec/encode.h"
#include "limbeck/codec/grid_search.h"
#include "limbeck/codec/grids.h"

namespace limbeck::codec {
namespace {

void put_four(float scale, const std::array<std::uint8_t, 4>& entry, unsigned signs, float* out) {
  for (std::size_t i = 0; i < 4; ++i) {
    const float value = scale * static_cast<float>(entry[i]);
    out[i] = signs >> i & 1 ? -value : value;
  }
}

// The 4-bit scale of the j-th 32 weights.
unsigned scale_of(const BlockIq3S& stored, std::size_t j) {
  return stored.scales[j / 2] >> j % 2 * 4 & 15u;
}
unsigned entry_of(const BlockIq3S& stored, std::size_t k) {
  return stored.low[k] | (stored.high[k / 8] >> k % 8 & 1u) << 8;
}

}  // namespace

void decode(const BlockIq3Xxs& stored, float* weights) {
  const float d = f16_to_float(stored.d);
  for (std::size_t j = 0; j < 8; ++j) {
    std::uint32_t word;
    std::memcpy(&word, stored.signs_and_scales + 4 * j, sizeof word);
    const float scale = d * (0.5f + static_cast<float>(word >> 28)) * 0.5f;
    for (std::size_t k = 0; k < 8; ++k) {
      const unsigned signs = signs_of_seven(word >> 7 * (k / 2) & 127) >> k % 2 * 4;
      put_four(scale, kGridIq3Xxs[stored.grid[8 * j + k]], signs, weights + 32 * j + 4 * k);
    }
  }
}

void unpack(const BlockIq3Xxs& stored, TableBlock& block) {
  block.d = f16_to_float(stored.d);
  for (std::size_t k = 0; k < 64; ++k) block.entries[k] = stored.grid[k];
  for (std::size_t j = 0; j < 8; ++j) {
    std::uint32_t word;
    std::memcpy(&word, stored.signs_and_scales + 4 * j, sizeof word);
    block.scales[j] = static_cast<std::uint8_t>(word >> 28);
    for (std::size_t k = 0; k < 4; ++k)
      block.signs[4 * j + k] = signs_of_seven(word >> 7 * k & 127);
  }
}

void pack(const TableBlock& block, BlockIq3Xxs& stored) {
  stored.d = float_to_f16(block.d);
  for (std::size_t k = 0; k < 64; ++k) stored.grid[k] = static_cast<std::uint8_t>(block.entries[k]);
  for (std::size_t j = 0; j < 8; ++j) {
    std::uint32_t word = std::uint32_t{block.scales[j]} << 28;
    for (std::size_t k = 0; k < 4; ++k) word |= (block.signs[4 * j + k] & 127u) << 7 * k;
    std::memcpy(stored.signs_and_scales + 4 * j, &word, sizeof word);
  }
}

void encode(const float* x, const float* importance, float, BlockIq3Xxs& stored) {
  encode_table(x, importance, stored);
}

void decode(const BlockIq3S& stored, float* weights) {
  const float d = f16_to_float(stored.d);
  for (std::size_t k = 0; k < 64; ++k) {
    put_four(d * static_cast<float>(1 + 2 * scale_of(stored, k / 8)),
             kGridIq3S[entry_of(stored, k)],
             static_cast<unsigned>(stored.signs[k / 2] >> k % 2 * 4), weights + 4 * k);
  }
}

void unpack(const BlockIq3S& stored, TableBlock& block) {
  block.d = f16_to_float(stored.d);
  for (std::size_t k = 0; k < 64; ++k) {
    block.entries[k] = static_cast<std::uint16_t>(entry_of(stored, k));
  }
  std::memcpy(block.signs.data(), stored.signs, sizeof stored.signs);
  for (std::size_t j = 0; j < 8; ++j) {
    block.scales[j] = static_cast<std::uint8_t>(scale_of(stored, j));
  }
}

void pack(const TableBlock& block, BlockIq3S& stored) {
  stored.d = float_to_f16(block.d);
  std::memset(stored.high, 0, sizeof stored.high);
  for (std::size_t k = 0; k < 64; ++k) {
    stored.low[k] = static_cast<std::uint8_t>(block.entries[k] & 255);
    stored.high[k / 8] =
        static_cast<std::uint8_t>(stored.high[k / 8] | block.entries[k] >> 8 << k % 8);
  }
  std::memcpy(stored.signs, block.signs.data(), sizeof stored.signs);
  for (std::size_t j = 0; j < 4; ++j) {
    stored.scales[j] =
        static_cast<std::uint8_t>(block.scales[2 * j] | block.scales[2 * j + 1] << 4);
  }
}

void encode(const float* x, const float* importance, float, BlockIq3S& stored) {
  encode_table(x, importance, stored);
}

}  // namespace limbeck::codec
