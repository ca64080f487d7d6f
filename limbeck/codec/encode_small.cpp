// Rounding to Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0.
#include <algorithm>
#include <cfloat>
#include <cmath>

#include "limbeck/codec/encode.h"
#include "limbeck/codec/packing.h"
#include "limbeck/codec/scale_search.h"

namespace limbeck::codec {
namespace {

// 1 / d, or 0 where d is zero or too small to divide by.
float inverse_of(float d) noexcept {
  const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

// The extreme weight maps to code 0 exactly; the others round half up.
template <typename Stored>
void symmetric(const float* x, const float* importance, float mean_square, int half,
               Stored& stored) {
  const std::span<const float> group(x, kBlock);
  UnpackedBlock block;
  if (importance) {
    float weights[kBlock];
    importance_weights(group, importance, mean_square, weights);
    block.d = symmetric_scale(group, half, weights, block.codes.data());
  } else {
    float magnitude = 0, extreme = 0;
    for (const float value : group) {
      if (magnitude < std::fabs(value)) {
        magnitude = std::fabs(value);
        extreme = value;
      }
    }
    block.d = extreme / -static_cast<float>(half);
    const float inverse = inverse_of(block.d), middle = static_cast<float>(half) + 0.5f;
    for (std::size_t i = 0; i < kBlock; ++i) {
      block.codes[i] = static_cast<std::uint8_t>(
          std::min(2 * half - 1, static_cast<int>(x[i] * inverse + middle)));
    }
  }
  pack(block, stored);
}

template <typename Stored>
void affine(const float* x, const float* importance, float mean_square, int max_code,
            Stored& stored) {
  const std::span<const float> group(x, kBlock);
  UnpackedBlock block;
  if (importance) {
    float weights[kBlock];
    importance_weights(group, importance, mean_square, weights);
    const Affine fit = affine_fit(group, max_code, weights, {-0.9f, 0.05f, 36}, block.codes.data());
    block.d = fit.scale;
    block.dmin = fit.min;
  } else {
    const auto [low, high] = std::minmax_element(group.begin(), group.end());
    block.d = (*high - *low) / static_cast<float>(max_code);
    block.dmin = -*low;
    const float inverse = inverse_of(block.d);
    for (std::size_t i = 0; i < kBlock; ++i) {
      block.codes[i] = static_cast<std::uint8_t>(
          std::min(max_code, static_cast<int>((x[i] - *low) * inverse + 0.5f)));
    }
  }
  pack(block, stored);
}

}  // namespace

void encode(const float* x, const float* importance, float mean_square, BlockQ4_0& stored) {
  symmetric(x, importance, mean_square, 8, stored);
}
void encode(const float* x, const float* importance, float mean_square, BlockQ5_0& stored) {
  symmetric(x, importance, mean_square, 16, stored);
}
void encode(const float* x, const float* importance, float mean_square, BlockQ4_1& stored) {
  affine(x, importance, mean_square, 15, stored);
}
void encode(const float* x, const float* importance, float mean_square, BlockQ5_1& stored) {
  affine(x, importance, mean_square, 31, stored);
}

void encode(const float* x, const float*, float, BlockQ8_0& stored) {
  float magnitude = 0;
  for (std::size_t i = 0; i < kBlock; ++i) magnitude = std::max(magnitude, std::fabs(x[i]));
  UnpackedBlock block;
  block.d = magnitude / 127.0f;
  const float inverse = inverse_of(block.d);
  for (std::size_t i = 0; i < kBlock; ++i) {
    block.codes[i] = static_cast<std::uint8_t>(static_cast<int>(std::round(x[i] * inverse)) + 128);
  }
  pack(block, stored);
}

}  // namespace limbeck::codec
