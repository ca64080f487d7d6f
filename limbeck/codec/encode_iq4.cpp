// Rounding to IQ4_NL and IQ4_XS, and to MXFP4: 16 uneven levels.
#include <algorithm>
#include <cmath>

#include "limbeck/codec/encode.h"
#include "limbeck/codec/levels.h"
#include "limbeck/codec/packing.h"
#include "limbeck/codec/scale_search.h"

namespace limbeck::codec {
namespace {

// The code of the level nearest to `value`; the upper one on a tie.
std::uint8_t nearest_iq4(float value) noexcept {
  if (value <= static_cast<float>(kLevelsIq4[0])) return 0;
  if (value >= static_cast<float>(kLevelsIq4[15])) return 15;
  int upper = 1;
  while (upper < 15 && !(value < static_cast<float>(kLevelsIq4[upper]))) ++upper;
  const float below = value - static_cast<float>(kLevelsIq4[upper - 1]);
  const float above = static_cast<float>(kLevelsIq4[upper]) - value;
  return static_cast<std::uint8_t>(below < above ? upper - 1 : upper);
}

// The best of 16 trial scales for 32 weights; 0 for an all-zero group.
float best_scale(const float* x, const float* weights) {
  float magnitude = 0, extreme = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    if (std::fabs(x[i]) > magnitude) {
      magnitude = std::fabs(x[i]);
      extreme = x[i];
    }
  }
  if (magnitude < kGroupEpsilon) return 0;
  float d = 0, best = 0;
  const auto try_inverse = [&](float inverse, bool first) {
    float qx = 0, q2 = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      const auto q = static_cast<float>(kLevelsIq4[nearest_iq4(inverse * x[i])]);
      qx += weights[i] * q * x[i];
      q2 += weights[i] * q * q;
    }
    if (first) {
      d = q2 > 0 ? qx / q2 : 0.0f;
      best = d * qx;
    } else if (q2 > 0 && qx * qx > best * q2) {
      d = qx / q2;
      best = d * qx;
    }
  };
  const auto lowest = static_cast<float>(kLevelsIq4[0]);
  try_inverse(1 / (-extreme / lowest), true);
  for (int step = -7; step <= 7; ++step) {
    try_inverse((static_cast<float>(step) + lowest) / extreme, false);
  }
  return d;
}

// `mean_square` is twice that of the block.
void group_weights(const float* x, const float* importance, float mean_square, float* weights) {
  if (importance) {
    importance_weights({x, kBlock}, importance, mean_square, weights);
  } else {
    for (std::size_t i = 0; i < kBlock; ++i) weights[i] = x[i] * x[i];
  }
}

}  // namespace

void encode(const float* x, const float* importance, float, BlockIq4Nl& stored) {
  UnpackedBlock block;
  float weights[kBlock];
  const float mean_square = sum_of_squares({x, kBlock}) * (2.0f / static_cast<float>(kBlock));
  group_weights(x, importance, mean_square, weights);
  block.d = best_scale(x, weights);
  const float inverse = block.d != 0.0f ? 1 / block.d : 0.0f;
  for (std::size_t i = 0; i < kBlock; ++i) block.codes[i] = nearest_iq4(inverse * x[i]);
  pack(block, stored);
}

void encode(const float* x, const float* importance, float, BlockIq4Xs& stored) {
  UnpackedBlock block;
  float weights[kBlock], scales[8], largest = 0;
  const float mean_square =
      sum_of_squares({x, kSuperBlock}) * (2.0f / static_cast<float>(kSuperBlock));
  for (std::size_t j = 0; j < 8; ++j) {
    const float* group = x + kBlock * j;
    group_weights(group, importance ? importance + kBlock * j : nullptr, mean_square, weights);
    scales[j] = best_scale(group, weights);
    if (std::fabs(scales[j]) > std::fabs(largest)) largest = scales[j];
  }
  block.d = -largest / 32;
  const float inverse = block.d != 0.0f ? 1 / block.d : 0.0f;
  for (std::size_t j = 0; j < 8; ++j) {
    block.scales[j] = static_cast<std::int16_t>(clamp(nearest(inverse * scales[j]), -32, 31));
    const float d = block.d * static_cast<float>(block.scales[j]);
    const float group_inverse = d != 0.0f ? 1 / d : 0.0f;
    for (std::size_t i = kBlock * j; i < kBlock * (j + 1); ++i) {
      block.codes[i] = nearest_iq4(group_inverse * x[i]);
    }
  }
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
