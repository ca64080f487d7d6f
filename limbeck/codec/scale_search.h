// Searches for the scale (and minimum) that round a group of weights best. The arithmetic follows
// ggml's reference operation by operation (float, sums in index order, strict comparisons), so the
// codecs give its bytes; this folder is compiled without FMA contraction for the same reason.
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace limbeck::codec {

// Groups whose largest magnitude is below this are all zero.
inline constexpr float kGroupEpsilon = 1e-15f;

// To the nearest integer, ties to even, for |value| < 2^22; some integer otherwise, never
// undefined.
inline int nearest(float value) noexcept {
  const auto bits = std::bit_cast<std::int32_t>(value + 12582912.0f);  // 1.5 * 2^23: ulp is 1
  return (bits & 0x007fffff) - 0x00400000;
}
inline int clamp(int value, int low, int high) noexcept {
  return value < low ? low : value > high ? high : value;
}

// w ~ scale * (code - half), codes in [0, 2 half): the largest (sum w x l)^2 / sum w l^2 over 19
// trial scales. `weights` of the same size, or empty for x^2. Returns the scale, 0 for an all-zero
// group (codes are 0 then).
float symmetric_scale(std::span<const float> x, int half, std::span<const float> weights,
                      std::uint8_t* codes);

// The same grid with weights x^2 by at most 5 passes over single codes (Q3_K without importance).
float symmetric_scale_by_descent(std::span<const float> x, int half, std::uint8_t* codes);

// w ~ scale * code, x >= 0, codes in [0, max_code]: trial scales, then passes over single codes.
float positive_scale(std::span<const float> x, int max_code, std::span<const float> weights,
                     std::uint8_t* codes);

struct AffineSteps {
  float first, step;
  int count;  // count + 1 trials; the inverse scale is (first + step i + max_code)/range
  bool absolute = false;  // weigh |error| and not its square
};
struct Affine {
  float scale, min;  // w ~ scale * code - min, min >= 0
};
// Weighted least squares of scale and min for each trial's codes in [0, max_code]; keeps the best.
// At most 32 weights.
Affine affine_fit(std::span<const float> x, int max_code, std::span<const float> weights,
                  const AffineSteps& steps, std::uint8_t* codes);

// 32 weights by their extremes alone, without importance. Symmetric: the extreme weight maps to
// code 0, the others round half up; returns the scale. Affine: the range. Bytes: codes are 128 more
// than the nearest whole number, halves away from zero.
float plain_symmetric(const float* x, int half, std::uint8_t* codes) noexcept;
Affine plain_affine(const float* x, int max_code, std::uint8_t* codes) noexcept;
float plain_bytes(const float* x, std::uint8_t* codes) noexcept;
// 1 / d, or 0 where d is zero or too small to divide by.
float inverse_or_zero(float d) noexcept;

// The code of the IQ4 level nearest to `value`; the upper one on a tie.
std::uint8_t nearest_level(float value) noexcept;
// w ~ scale * level: the best of 16 trial scales for 32 weights; 0 for an all-zero group.
float level_scale(const float* x, const float* weights);

// importance[i] * sqrt(mean_square + x[i]^2): how much an error of weight i counts.
void importance_weights(std::span<const float> x, const float* importance, float mean_square,
                        float* weights);
float sum_of_squares(std::span<const float> x) noexcept;  // in index order

}  // namespace limbeck::codec
