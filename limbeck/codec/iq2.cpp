// IQ2_XXS, IQ2_XS and IQ2_S: 8 weights share one entry of a grid of magnitudes.
#include <cstring>

#include "limbeck/base/f16.h"
#include "limbeck/codec/encode.h"
#include "limbeck/codec/grid_search.h"
#include "limbeck/codec/grids.h"

namespace limbeck::codec {
namespace {

void put_eight(float scale, const std::array<std::uint8_t, 8>& entry, unsigned signs, float* out) {
  for (std::size_t i = 0; i < 8; ++i) {
    const float value = scale * static_cast<float>(entry[i]);
    out[i] = signs >> i & 1 ? -value : value;
  }
}

float group_scale(float d, unsigned code) noexcept {
  return d * (0.5f + static_cast<float>(code)) * 0.25f;
}

// The 4-bit scale of 8 weights, two scales a byte.
unsigned scale_of(const std::uint8_t* scales, std::size_t k) {
  return scales[k / 4] >> k % 4 / 2 * 4 & 15u;
}
void unpack_scales(const std::uint8_t (&scales)[8], TableBlock& block) {
  for (std::size_t j = 0; j < 16; ++j) {
    block.scales[j] = static_cast<std::uint8_t>(scale_of(scales, 2 * j));
  }
}
void pack_scales(const TableBlock& block, std::uint8_t (&scales)[8]) {
  for (std::size_t j = 0; j < 8; ++j) {
    scales[j] = static_cast<std::uint8_t>(block.scales[2 * j] | block.scales[2 * j + 1] << 4);
  }
}

unsigned entry_of(const BlockIq2S& stored, std::size_t k) {
  return stored.low[k] | (stored.high[k / 4] >> k % 4 * 2 & 3u) << 8;
}

}  // namespace

void decode(const BlockIq2Xxs& stored, float* weights) {
  const float d = f16_to_float(stored.d);
  for (std::size_t j = 0; j < 8; ++j) {
    const std::uint8_t* group = stored.groups + 8 * j;
    std::uint32_t word;
    std::memcpy(&word, group + 4, sizeof word);
    for (std::size_t k = 0; k < 4; ++k) {
      put_eight(group_scale(d, word >> 28), kGridIq2Xxs[group[k]],
                signs_of_seven(word >> 7 * k & 127), weights + 32 * j + 8 * k);
    }
  }
}

void unpack(const BlockIq2Xxs& stored, TableBlock& block) {
  block.d = f16_to_float(stored.d);
  for (std::size_t j = 0; j < 8; ++j) {
    std::uint32_t word;
    std::memcpy(&word, stored.groups + 8 * j + 4, sizeof word);
    block.scales[j] = static_cast<std::uint8_t>(word >> 28);
    for (std::size_t k = 0; k < 4; ++k) {
      block.entries[4 * j + k] = stored.groups[8 * j + k];
      block.signs[4 * j + k] = signs_of_seven(word >> 7 * k & 127);
    }
  }
}

void pack(const TableBlock& block, BlockIq2Xxs& stored) {
  stored.d = float_to_f16(block.d);
  for (std::size_t j = 0; j < 8; ++j) {
    std::uint32_t word = std::uint32_t{block.scales[j]} << 28;
    for (std::size_t k = 0; k < 4; ++k) {
      stored.groups[8 * j + k] = static_cast<std::uint8_t>(block.entries[4 * j + k]);
      word |= (block.signs[4 * j + k] & 127u) << 7 * k;
    }
    std::memcpy(stored.groups + 8 * j + 4, &word, sizeof word);
  }
}

void encode(const float* x, const float* importance, float, BlockIq2Xxs& stored) {
  encode_table(x, importance, stored);
}

void decode(const BlockIq2Xs& stored, float* weights) {
  const float d = f16_to_float(stored.d);
  for (std::size_t k = 0; k < 32; ++k) {
    const unsigned group = stored.groups[k];
    put_eight(group_scale(d, scale_of(stored.scales, k)), kGridIq2Xs[group & 511],
              signs_of_seven(group >> 9), weights + 8 * k);
  }
}

void unpack(const BlockIq2Xs& stored, TableBlock& block) {
  block.d = f16_to_float(stored.d);
  unpack_scales(stored.scales, block);
  for (std::size_t k = 0; k < 32; ++k) {
    block.entries[k] = stored.groups[k] & 511;
    block.signs[k] = signs_of_seven(stored.groups[k] >> 9);
  }
}

void pack(const TableBlock& block, BlockIq2Xs& stored) {
  stored.d = float_to_f16(block.d);
  for (std::size_t k = 0; k < 32; ++k) {
    stored.groups[k] = static_cast<std::uint16_t>(block.entries[k] | (block.signs[k] & 127) << 9);
  }
  pack_scales(block, stored.scales);
}

void encode(const float* x, const float* importance, float, BlockIq2Xs& stored) {
  encode_table(x, importance, stored);
}

void decode(const BlockIq2S& stored, float* weights) {
  const float d = f16_to_float(stored.d);
  for (std::size_t k = 0; k < 32; ++k) {
    put_eight(group_scale(d, scale_of(stored.scales, k)), kGridIq2S[entry_of(stored, k)],
              stored.signs[k], weights + 8 * k);
  }
}

void unpack(const BlockIq2S& stored, TableBlock& block) {
  block.d = f16_to_float(stored.d);
  unpack_scales(stored.scales, block);
  for (std::size_t k = 0; k < 32; ++k) {
    block.entries[k] = static_cast<std::uint16_t>(entry_of(stored, k));
    block.signs[k] = stored.signs[k];
  }
}

void pack(const TableBlock& block, BlockIq2S& stored) {
  stored.d = float_to_f16(block.d);
  std::memset(stored.high, 0, sizeof stored.high);
  for (std::size_t k = 0; k < 32; ++k) {
    stored.low[k] = static_cast<std::uint8_t>(block.entries[k] & 255);
    stored.signs[k] = block.signs[k];
    std::uint8_t& high = stored.high[k / 4];
    high = static_cast<std::uint8_t>(high | block.entries[k] >> 8 << k % 4 * 2);
  }
  pack_scales(block, stored.scales);
}

void encode(const float* x, const float* importance, float, BlockIq2S& stored) {
  encode_table(x, importance, stored);
}

}  // namespace limbeck::codec
