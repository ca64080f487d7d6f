// Reference rounding of one block of each format. `x` [weights of the block]; `importance` [the
// same] or null for the format's own default; `mean_square` of the whole row (small blocks with
// importance use it).
#pragma once

#include <algorithm>

#include "limbeck/codec/blocks.h"
#include "limbeck/codec/grid_format.h"
#include "limbeck/codec/group_search.h"
#include "limbeck/codec/nibbles.h"
#include "limbeck/codec/packing.h"

namespace limbeck::codec {

// `n` blocks of a row, at most kRun: searched side by side where a block alone leaves lanes idle or
// waiting.
inline constexpr std::size_t kRun = 16;
void encode_run(const float* x, const float* importance, float mean_square, std::size_t n,
                BlockQ4_0* stored);
void encode_run(const float* x, const float* importance, float mean_square, std::size_t n,
                BlockQ4_1* stored);
void encode_run(const float* x, const float* importance, float mean_square, std::size_t n,
                BlockQ5_0* stored);
void encode_run(const float* x, const float* importance, float mean_square, std::size_t n,
                BlockQ5_1* stored);
void encode_run(const float* x, const float* importance, float mean_square, std::size_t n,
                BlockIq4Nl* stored);
void encode_run(const float* x, const float* importance, float mean_square, std::size_t n,
                BlockQ8_0* stored);
void encode_run(const float* x, const float* importance, float mean_square, std::size_t n,
                BlockQ3_K* stored);

void encode(const float* x, const float* importance, float mean_square, BlockQ2_K& stored);
void encode(const float* x, const float* importance, float mean_square, BlockQ4_K& stored);
void encode(const float* x, const float* importance, float mean_square, BlockQ5_K& stored);
void encode(const float* x, const float* importance, float mean_square, BlockQ6_K& stored);
void encode(const float* x, const float* importance, float mean_square, BlockIq4Xs& stored);
void encode(const float* x, const float* importance, float mean_square, BlockTq1_0& stored);
void encode(const float* x, const float* importance, float mean_square, BlockTq2_0& stored);
void encode(const float* x, const float* importance, float mean_square, BlockMxfp4& stored);
void encode(const float* x, const float* importance, float mean_square, BlockIq2Xxs& stored);
void encode(const float* x, const float* importance, float mean_square, BlockIq2Xs& stored);
void encode(const float* x, const float* importance, float mean_square, BlockIq2S& stored);
void encode(const float* x, const float* importance, float mean_square, BlockIq3Xxs& stored);
void encode(const float* x, const float* importance, float mean_square, BlockIq3S& stored);

// Codes [32] into their place in a block.
template <typename Stored>
void store_codes(const std::uint8_t* codes, Stored& stored) {
  if constexpr (requires { stored.high; }) pack_high(codes, stored.high);
  pack_nibbles(codes, stored.codes);
}
inline void store_codes(const std::uint8_t* codes, BlockQ8_0& stored) {
  for (std::size_t i = 0; i < kBlock; ++i)
    stored.codes[i] = static_cast<std::int8_t>(codes[i] - 128);
}

// Packs what a run found: scales [n], codes [32 n].
template <typename Stored>
void store_run(std::size_t n, const float* scales, const std::uint8_t* codes, Stored* stored) {
  Half halves[kRun];
  group_search().halves(scales, n, halves);
  for (std::size_t j = 0; j < n; ++j) {
    stored[j].d = halves[j];
    store_codes(codes + j * kBlock, stored[j]);
  }
}

void decode(const BlockTq1_0& stored, float* weights);
void decode(const BlockTq2_0& stored, float* weights);
void decode(const BlockIq2Xxs& stored, float* weights);
void decode(const BlockIq2Xs& stored, float* weights);
void decode(const BlockIq2S& stored, float* weights);
void decode(const BlockIq3Xxs& stored, float* weights);
void decode(const BlockIq3S& stored, float* weights);

}  // namespace limbeck::codec
