// The block formats as they lie in a file: little endian, no padding. `Half` is an IEEE binary16.
// Layouts: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h (facts: order and sizes).
// w[i] is the i-th weight of the block.
#pragma once

#include <cstddef>
#include <cstdint>

#include "limbeck/base/tensor_type.h"

namespace limbeck {

using Half = std::uint16_t;

inline constexpr std::size_t kBlock = 32;        // weights in a small block
inline constexpr std::size_t kSuperBlock = 256;  // weights in a superblock

// w = (code - 8) d. Byte j: low nibble w[j], high nibble w[j + 16].
struct BlockQ4_0 {
  static constexpr TensorType kType = TensorType::q4_0;
  Half d;
  std::uint8_t codes[16];
};
static_assert(sizeof(BlockQ4_0) == 18);

// w = code d + m, nibbles as Q4_0.
struct BlockQ4_1 {
  static constexpr TensorType kType = TensorType::q4_1;
  Half d, m;
  std::uint8_t codes[16];
};
static_assert(sizeof(BlockQ4_1) == 20);

// w = (code - 16) d. Nibbles as Q4_0; bit j of the 32 high bits belongs to w[j].
struct BlockQ5_0 {
  static constexpr TensorType kType = TensorType::q5_0;
  Half d;
  std::uint8_t high[4];
  std::uint8_t codes[16];
};
static_assert(sizeof(BlockQ5_0) == 22);

// w = code d + m, bits as Q5_0.
struct BlockQ5_1 {
  static constexpr TensorType kType = TensorType::q5_1;
  Half d, m;
  std::uint8_t high[4];
  std::uint8_t codes[16];
};
static_assert(sizeof(BlockQ5_1) == 24);

// w = code d.
struct BlockQ8_0 {
  static constexpr TensorType kType = TensorType::q8_0;
  Half d;
  std::int8_t codes[32];
};
static_assert(sizeof(BlockQ8_0) == 34);

// 16 groups of 16: w = d (scales & 15) code - dmin (scales >> 4). Each half of 128 weights has 32
// bytes: byte l holds w[l], w[l + 32], w[l + 64], w[l + 96] from the low bits up.
struct BlockQ2_K {
  static constexpr TensorType kType = TensorType::q2_k;
  std::uint8_t scales[16];
  std::uint8_t codes[64];
  Half d, dmin;
};
static_assert(sizeof(BlockQ2_K) == 84);

// 16 groups of 16: w = d (scale - 32) (code - 4). Low 2 bits of a code as Q2_K; its third bit is
// bit k of high[l] for w[32 k + l]. Scale j has 6 bits: the low 4 in a nibble of scales[j % 8] (low
// nibble for j < 8), the high 2 in scales[8 + j % 4] at bit 2 (j / 4).
struct BlockQ3_K {
  static constexpr TensorType kType = TensorType::q3_k;
  std::uint8_t high[32];
  std::uint8_t codes[64];
  std::uint8_t scales[12];
  Half d;
};
static_assert(sizeof(BlockQ3_K) == 110);

// 8 groups of 32: w = d scale code - dmin min; scales and mins have 6 bits (packed_scales.h). Each
// 64 weights have 32 bytes: low nibbles the first 32, high nibbles the second.
struct BlockQ4_K {
  static constexpr TensorType kType = TensorType::q4_k;
  Half d, dmin;
  std::uint8_t scales[12];
  std::uint8_t codes[128];
};
static_assert(sizeof(BlockQ4_K) == 144);

// As Q4_K with a fifth bit: bit 2 k of high[l] is w[64 k + l], bit 2 k + 1 is w[64 k + 32 + l].
struct BlockQ5_K {
  static constexpr TensorType kType = TensorType::q5_k;
  Half d, dmin;
  std::uint8_t scales[12];
  std::uint8_t high[32];
  std::uint8_t codes[128];
};
static_assert(sizeof(BlockQ5_K) == 176);

// 16 groups of 16: w = d scale (code - 32). Per half of 128: low[l] = low nibbles of w[l] and
// w[l + 64], low[l + 32] of w[l + 32] and w[l + 96]; high[l] has the two high bits of w[l],
// w[l + 32], w[l + 64], w[l + 96] from the low bits up.
struct BlockQ6_K {
  static constexpr TensorType kType = TensorType::q6_k;
  std::uint8_t low[128];
  std::uint8_t high[64];
  std::int8_t scales[16];
  Half d;
};
static_assert(sizeof(BlockQ6_K) == 210);

// w = d level[code], nibbles as Q4_0, levels kLevelsIq4 (levels.h).
struct BlockIq4Nl {
  static constexpr TensorType kType = TensorType::iq4_nl;
  Half d;
  std::uint8_t codes[16];
};
static_assert(sizeof(BlockIq4Nl) == 18);

// 8 groups of 32: w = d (scale - 32) level[code]. Scale b: low 4 bits in a nibble of
// scales_low[b / 2], high 2 bits at bit 2 b of scales_high. 16 bytes of nibbles each, as Q4_0.
struct BlockIq4Xs {
  static constexpr TensorType kType = TensorType::iq4_xs;
  Half d;
  std::uint16_t scales_high;
  std::uint8_t scales_low[4];
  std::uint8_t codes[128];
};
static_assert(sizeof(BlockIq4Xs) == 136);

// w = (trit - 1) d. Five trits a byte, the first most significant, stored as ceil(value 256 / 243)
// so that digits come out by multiplication. codes[m], m < 32: w[m + 32 n]; codes[32 + m]:
// w[160 + m + 16 n]; tail[j]: four trits w[240 + j + 4 n].
struct BlockTq1_0 {
  static constexpr TensorType kType = TensorType::tq1_0;
  std::uint8_t codes[48];
  std::uint8_t tail[4];
  Half d;
};
static_assert(sizeof(BlockTq1_0) == 54);

// w = (code - 1) d. Two halves of 128: bits 2 n of byte m hold w[m + 32 n].
struct BlockTq2_0 {
  static constexpr TensorType kType = TensorType::tq2_0;
  std::uint8_t codes[64];
  Half d;
};
static_assert(sizeof(BlockTq2_0) == 66);

// w = 2^(exponent - 128) level[code], nibbles as Q4_0, levels kLevelsMxfp4 (twice the values of
// OCP's E2M1, hence 128 and not 127). https://www.opencompute.org (Microscaling formats v1.0)
struct BlockMxfp4 {
  static constexpr TensorType kType = TensorType::mxfp4;
  std::uint8_t exponent;
  std::uint8_t codes[16];
};
static_assert(sizeof(BlockMxfp4) == 17);

// Grid formats: 8 (or 4) magnitudes at a time are one entry of a table (grids.h), signs beside.

// Per 32 weights 8 bytes: 4 grid indices, then 32 bits: 4 x 7 sign bits and a 4-bit scale on top.
// w = d (scale + 1/2) / 4 * grid * sign.
struct BlockIq2Xxs {
  static constexpr TensorType kType = TensorType::iq2_xxs;
  Half d;
  std::uint8_t groups[64];
};
static_assert(sizeof(BlockIq2Xxs) == 66);

// Per 8 weights 16 bits: 9 of grid index, 7 of signs; a 4-bit scale per 16 weights.
struct BlockIq2Xs {
  static constexpr TensorType kType = TensorType::iq2_xs;
  Half d;
  std::uint16_t groups[32];
  std::uint8_t scales[8];
};
static_assert(sizeof(BlockIq2Xs) == 74);

// Per 8 weights: 8 low bits of the grid index, 8 signs; 2 high bits of the index at bit 2 (i % 4)
// of high[i / 4]; a 4-bit scale per 16 weights.
struct BlockIq2S {
  static constexpr TensorType kType = TensorType::iq2_s;
  Half d;
  std::uint8_t low[32];
  std::uint8_t signs[32];
  std::uint8_t high[8];
  std::uint8_t scales[8];
};
static_assert(sizeof(BlockIq2S) == 82);

// Per 4 weights an 8-bit grid index; per 32 weights 32 bits: 4 x 7 sign bits and a 4-bit scale.
// w = d (scale + 1/2) / 2 * grid * sign.
struct BlockIq3Xxs {
  static constexpr TensorType kType = TensorType::iq3_xxs;
  Half d;
  std::uint8_t grid[64];
  std::uint8_t signs_and_scales[32];
};
static_assert(sizeof(BlockIq3Xxs) == 98);

// Per 4 weights 8 low bits of the grid index, the ninth at bit (i % 8) of high[i / 8]; 8 signs per
// 8 weights; a 4-bit scale per 32 weights. w = d (1 + 2 scale) grid sign.
struct BlockIq3S {
  static constexpr TensorType kType = TensorType::iq3_s;
  Half d;
  std::uint8_t low[64];
  std::uint8_t high[8];
  std::uint8_t signs[32];
  std::uint8_t scales[4];
};
static_assert(sizeof(BlockIq3S) == 110);

}  // namespace limbeck
