#include "limbeck/codec/scale_search.h"

#include <algorithm>
#include <cmath>

#include "limbeck/codec/blocks.h"
#include "limbeck/codec/levels.h"

namespace limbeck::codec {
namespace {

struct Peak {
  float magnitude = 0, value = 0;  // of the first element of the largest magnitude
};

Peak peak_of(std::span<const float> x) {
  Peak peak;
  for (const float value : x) {
    if (std::fabs(value) > peak.magnitude) peak = {std::fabs(value), value};
  }
  return peak;
}

// Sums over a group for codes l: w x l and w l l.
struct Fit {
  float xl = 0, ll = 0;
  void add(float weight, float x, int l) {
    const auto level = static_cast<float>(l);
    xl += weight * x * level;
    ll += weight * level * level;
  }
  void remove(float weight, float x, int l) {
    const auto level = static_cast<float>(l);
    xl -= weight * x * level;
    ll -= weight * level * level;
  }
  float scale() const { return ll > 0.0f ? xl / ll : 0.0f; }
};

std::uint8_t code(int value) noexcept { return static_cast<std::uint8_t>(value); }

}  // namespace

float symmetric_scale(std::span<const float> x, int half, std::span<const float> weights,
                      std::uint8_t* codes) {
  const Peak peak = peak_of(x);
  std::fill_n(codes, x.size(), std::uint8_t{0});
  if (peak.magnitude < kGroupEpsilon) return 0;
  const auto weight = [&](std::size_t i) { return weights.empty() ? x[i] * x[i] : weights[i]; };
  const auto round_with = [&](float inverse, std::size_t i) {
    return clamp(nearest(inverse * x[i]), -half, half - 1);
  };
  const auto store = [&](float inverse) {
    for (std::size_t i = 0; i < x.size(); ++i) codes[i] = code(half + round_with(inverse, i));
  };

  const float first = -static_cast<float>(half) / peak.value;
  store(first);
  Fit fit;
  for (std::size_t i = 0; i < x.size(); ++i) fit.add(weight(i), x[i], round_with(first, i));
  float scale = fit.ll != 0.0f ? fit.xl / fit.ll : 0.0f;
  float best = scale * fit.xl;
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const float inverse =
        -(static_cast<float>(half) + 0.1f * static_cast<float>(step)) / peak.value;
    fit = {};
    for (std::size_t i = 0; i < x.size(); ++i) fit.add(weight(i), x[i], round_with(inverse, i));
    if (fit.ll > 0 && fit.xl * fit.xl > best * fit.ll) {
      store(inverse);
      scale = fit.xl / fit.ll;
      best = scale * fit.xl;
    }
  }
  return scale;
}

float symmetric_scale_by_descent(std::span<const float> x, int half, std::uint8_t* codes) {
  const Peak peak = peak_of(x);
  std::fill_n(codes, x.size(), std::uint8_t{0});
  if (peak.magnitude < kGroupEpsilon) return 0;
  const float inverse = -static_cast<float>(half) / peak.value;
  Fit fit;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const int l = clamp(nearest(inverse * x[i]), -half, half - 1);
    codes[i] = code(l + half);
    fit.add(x[i] * x[i], x[i], l);
  }
  bool changed = true;
  for (int pass = 0; pass < 5 && changed; ++pass) {
    changed = false;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float weight = x[i] * x[i];
      const int old = codes[i] - half;
      Fit other = fit;
      other.remove(weight, x[i], old);
      if (!(other.xl > 0)) continue;
      const int l = clamp(nearest(x[i] * other.ll / other.xl), -half, half - 1);
      if (l == old) continue;
      other.add(weight, x[i], l);
      if (other.ll > 0 && other.xl * other.xl * fit.ll > fit.xl * fit.xl * other.ll) {
        codes[i] = code(l + half);
        fit = other;
        changed = true;
      }
    }
  }
  return fit.scale();
}

float positive_scale(std::span<const float> x, int max_code, std::span<const float> weights,
                     std::uint8_t* codes) {
  float max = 0;
  for (const float value : x) max = std::max(max, value);
  std::fill_n(codes, x.size(), std::uint8_t{0});
  if (max < kGroupEpsilon) return 0;
  const auto levels = static_cast<float>(max_code);
  const auto error_with = [&](float inverse) {
    const float scale = 1 / inverse;
    float sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const int l = clamp(nearest(inverse * x[i]), 0, max_code);
      const float difference = x[i] - scale * static_cast<float>(l);
      sum += weights[i] * difference * difference;
    }
    return sum;
  };
  float inverse = levels / max;
  float best = error_with(inverse);
  for (int step = -4; step <= 4; ++step) {
    if (step == 0) continue;
    const float trial = (0.1f * static_cast<float>(step) + levels) / max;
    const float error = error_with(trial);
    if (error < best) {
      best = error;
      inverse = trial;
    }
  }
  Fit fit;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const int l = clamp(nearest(inverse * x[i]), 0, max_code);
    codes[i] = code(l);
    fit.add(weights[i], x[i], l);
  }
  bool changed = true;
  for (int pass = 0; pass < 5 && changed; ++pass) {
    changed = false;
    for (std::size_t i = 0; i < x.size(); ++i) {
      Fit other = fit;
      other.remove(weights[i], x[i], codes[i]);
      if (!(other.xl > 0 && other.ll > 0)) continue;
      const int l = clamp(nearest(x[i] * other.ll / other.xl), 0, max_code);
      if (l == codes[i]) continue;
      other.add(weights[i], x[i], l);
      if (other.xl * other.xl * fit.ll > fit.xl * fit.xl * other.ll) {
        codes[i] = code(l);
        fit = other;
        changed = true;
      }
    }
  }
  return fit.scale();
}

Affine affine_fit(std::span<const float> x, int max_code, std::span<const float> weights,
                  const AffineSteps& steps, std::uint8_t* codes) {
  float min = x[0], max = x[0];
  float sum_w = weights[0], sum_x = sum_w * x[0];
  for (std::size_t i = 1; i < x.size(); ++i) {
    min = std::min(min, x[i]);
    max = std::max(max, x[i]);
    sum_w += weights[i];
    sum_x += weights[i] * x[i];
  }
  if (min > 0) min = 0;
  std::fill_n(codes, x.size(), std::uint8_t{0});
  const auto levels = static_cast<float>(max_code);
  if (max <= min || !std::isfinite(levels / (max - min))) return {0, -min};

  const auto weighted_error = [&](const std::uint8_t* with, float scale, float offset) {
    float sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float difference = scale * static_cast<float>(with[i]) + offset - x[i];
      sum += weights[i] * (steps.absolute ? std::fabs(difference) : difference * difference);
    }
    return sum;
  };
  float inverse = levels / (max - min);
  float scale = 1 / inverse;
  for (std::size_t i = 0; i < x.size(); ++i) {
    codes[i] = code(clamp(nearest(inverse * (x[i] - min)), 0, max_code));
  }
  float best = weighted_error(codes, scale, min);
  std::uint8_t trial[32];
  for (int step = 0; step <= steps.count; ++step) {
    // As in the reference, from the best minimum so far and not from the lowest weight.
    inverse = (steps.first + steps.step * static_cast<float>(step) + levels) / (max - min);
    float sum_l = 0, sum_l2 = 0, sum_xl = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      trial[i] = code(clamp(nearest(inverse * (x[i] - min)), 0, max_code));
      const auto l = static_cast<float>(trial[i]);
      sum_l += weights[i] * l;
      sum_l2 += weights[i] * l * l;
      sum_xl += weights[i] * l * x[i];
    }
    const float determinant = sum_w * sum_l2 - sum_l * sum_l;
    if (!(determinant > 0)) continue;
    float trial_scale = (sum_w * sum_xl - sum_x * sum_l) / determinant;
    float trial_min = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
    if (trial_min > 0) {
      trial_min = 0;
      trial_scale = sum_xl / sum_l2;
    }
    const float error = weighted_error(trial, trial_scale, trial_min);
    if (error < best) {
      std::copy_n(trial, x.size(), codes);
      best = error;
      scale = trial_scale;
      min = trial_min;
    }
  }
  return {scale, -min};
}

std::uint8_t nearest_level(float value) noexcept {
  if (value <= static_cast<float>(kLevelsIq4[0])) return 0;
  if (value >= static_cast<float>(kLevelsIq4[15])) return 15;
  int upper = 1;
  while (upper < 15 && !(value < static_cast<float>(kLevelsIq4[upper]))) ++upper;
  const float below = value - static_cast<float>(kLevelsIq4[upper - 1]);
  const float above = static_cast<float>(kLevelsIq4[upper]) - value;
  return static_cast<std::uint8_t>(below < above ? upper - 1 : upper);
}

float level_scale(const float* x, const float* weights) {
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
      const auto q = static_cast<float>(kLevelsIq4[nearest_level(inverse * x[i])]);
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

float inverse_or_zero(float d) noexcept {
  const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

float plain_symmetric(const float* x, int half, std::uint8_t* codes) noexcept {
  const float d = peak_of({x, kBlock}).value / -static_cast<float>(half);
  const float inverse = inverse_or_zero(d), middle = static_cast<float>(half) + 0.5f;
  for (std::size_t i = 0; i < kBlock; ++i) {
    codes[i] = code(std::min(2 * half - 1, static_cast<int>(x[i] * inverse + middle)));
  }
  return d;
}

Affine plain_affine(const float* x, int max_code, std::uint8_t* codes) noexcept {
  const auto [low, high] = std::minmax_element(x, x + kBlock);
  const float d = (*high - *low) / static_cast<float>(max_code), inverse = inverse_or_zero(d);
  for (std::size_t i = 0; i < kBlock; ++i) {
    codes[i] = code(std::min(max_code, static_cast<int>((x[i] - *low) * inverse + 0.5f)));
  }
  return {d, -*low};
}

float plain_bytes(const float* x, std::uint8_t* codes) noexcept {
  const float d = peak_of({x, kBlock}).magnitude / 127.0f, inverse = inverse_or_zero(d);
  for (std::size_t i = 0; i < kBlock; ++i) {
    codes[i] = code(static_cast<int>(std::round(x[i] * inverse)) + 128);
  }
  return d;
}

void importance_weights(std::span<const float> x, const float* importance, float mean_square,
                        float* weights) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    weights[i] = importance[i] * std::sqrt(mean_square + x[i] * x[i]);
  }
}

float sum_of_squares(std::span<const float> x) noexcept {
  float sum = 0;
  for (const float value : x) sum += value * value;
  return sum;
}

}  // namespace limbeck::codec
