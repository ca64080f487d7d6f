// Rounding to IQ4_NL and IQ4_XS, and to MXFP4: 16 uneven levels.
#include <algorithm>
#include <cmath>

#include "limbeck/codec/encode.h"
#include "limbeck/codec/group_search.h"
#include "limbeck/codec/levels.h"
#include "limbeck/codec/packing.h"
#include "limbeck/codec/scale_search.h"

namespace limbeck::codec {
namespace {

// `mean_square` is twice that of the block.
void group_weights(const float* x, const float* importance, std::size_t n, float mean_square,
                   float* weights) {
  if (importance) {
    group_search().importance_weights(x, importance, n, mean_square, weights);
  } else {
    for (std::size_t i = 0; i < n; ++i) weights[i] = x[i] * x[i];
  }
}

float inverse_of(float d) noexcept { return d != 0.0f ? 1 / d : 0.0f; }

}  // namespace

void encode_run(const float* x, const float* importance, float, std::size_t n, BlockIq4Nl* stored) {
  const GroupSearch& search = group_search();
  float weights[kRun * kBlock], scales[kRun], inverses[kRun];
  std::uint8_t codes[kRun * kBlock];
  for (std::size_t j = 0; j < n; ++j) {
    const std::size_t at = j * kBlock;
    const float mean_square =
        sum_of_squares({x + at, kBlock}) * (2.0f / static_cast<float>(kBlock));
    group_weights(x + at, importance ? importance + at : nullptr, kBlock, mean_square,
                  weights + at);
  }
  search.level_scales(x, weights, n, scales);
  for (std::size_t j = 0; j < n; ++j) inverses[j] = inverse_of(scales[j]);
  search.level_codes(x, inverses, n, codes);
  store_run(n, scales, codes, stored);
}

void encode(const float* x, const float* importance, float, BlockIq4Xs& stored) {
  const GroupSearch& search = group_search();
  UnpackedBlock block;
  float weights[kSuperBlock], scales[8], inverses[8], largest = 0;
  const float mean_square =
      sum_of_squares({x, kSuperBlock}) * (2.0f / static_cast<float>(kSuperBlock));
  group_weights(x, importance, kSuperBlock, mean_square, weights);
  search.level_scales(x, weights, 8, scales);
  for (const float scale : scales) {
    if (std::fabs(scale) > std::fabs(largest)) largest = scale;
  }
  block.d = -largest / 32;
  const float inverse = inverse_of(block.d);
  for (std::size_t j = 0; j < 8; ++j) {
    block.scales[j] = static_cast<std::int16_t>(clamp(nearest(inverse * scales[j]), -32, 31));
    inverses[j] = inverse_of(block.d * static_cast<float>(block.scales[j]));
  }
  search.level_codes(x, inverses, 8, block.codes.data());
  pack(block, stored);
}

void encode(const float* x, const float*, float, BlockMxfp4& stored) {
  float magnitude = 0;
  for (std::size_t i = 0; i < kBlock; ++i) magnitude = std::max(magnitude, std::fabs(x[i]));
  const int exponent =
      magnitude > 0 ? clamp(static_cast<int>(std::floor(std::log2(magnitude))) - 2 + 127, 0, 254)
                    : 0;
  UnpackedBlock block;
  block.d = mxfp4_scale(static_cast<std::uint8_t>(exponent));
  for (std::size_t i = 0; i < kBlock; ++i) {
    float best = std::fabs(static_cast<float>(kLevelsMxfp4[0]) * block.d - x[i]);
    for (std::uint8_t code = 1; code < 16; ++code) {
      const float error = std::fabs(static_cast<float>(kLevelsMxfp4[code]) * block.d - x[i]);
      if (error < best) {
        best = error;
        block.codes[i] = code;
      }
    }
  }
  pack(block, stored);
}

}  // namespace limbeck::codec
