#include "limbeck/codec/grid_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "limbeck/base/f16.h"
#include "limbeck/codec/blocks.h"
#include "limbeck/codec/scale_search.h"

namespace limbeck::codec {
namespace {

// The target of the search: magnitudes (negative where a sign had to be flipped) and weights.
struct Target {
  std::array<float, kSuperBlock> x, weights;
};

Target make_target(const TableFormat& format, const float* x, const float* importance,
                   std::array<std::uint8_t, 32>& signs) {
  Target target;
  const float mean_square = 2 * sum_of_squares({x, kSuperBlock}) / static_cast<float>(kSuperBlock);
  for (std::size_t i = 0; i < kSuperBlock; ++i) {
    target.x[i] = std::fabs(x[i]);
    target.weights[i] = (importance ? importance[i] : 1.0f) * std::sqrt(mean_square + x[i] * x[i]);
  }
  for (std::size_t k = 0; k < kSuperBlock / 8; ++k) {
    unsigned minus = 0;
    for (std::size_t i = 0; i < 8; ++i) minus |= (x[8 * k + i] < 0 ? 1u : 0u) << i;
    if (format.even_signs && __builtin_popcount(minus) % 2 != 0) {
      std::size_t cheapest = 8 * k;
      const auto cost = [&](std::size_t i) { return target.weights[i] * x[i] * x[i]; };
      for (std::size_t i = 8 * k; i < 8 * k + 8; ++i) {
        if (cost(i) < cost(cheapest)) cheapest = i;
      }
      target.x[cheapest] = -target.x[cheapest];
      minus ^= 1u << (cheapest - 8 * k);
    }
    signs[k] = static_cast<std::uint8_t>(minus);
  }
  return target;
}

struct Sums {
  float xg = 0, gg = 0;  // sum w x entry, sum w entry^2
};

// Rounds `size` weights from `first` on with one scale.
Sums round_group(const GridSearch& search, const Target& target, std::size_t first,
                 std::size_t size, float scale, std::uint16_t* entries) {
  Sums sums;
  for (std::size_t i = first; i < first + size; i += search.dims()) {
    const std::uint16_t index = search.nearest_entry(&target.x[i], &target.weights[i], scale);
    entries[i / search.dims()] = index;
    const std::uint8_t* entry = search.entry(index);
    for (std::size_t j = 0; j < search.dims(); ++j) {
      const auto g = static_cast<float>(entry[j]);
      sums.xg += target.weights[i + j] * target.x[i + j] * g;
      sums.gg += target.weights[i + j] * g * g;
    }
  }
  return sums;
}

struct GroupScale {
  float scale = 0, weight = 0;  // weight: how much an error of the scale costs
};

GroupScale best_group_scale(const GridSearch& search, const Target& target, std::size_t first,
                            std::size_t size) {
  float largest = 0;
  for (std::size_t i = first; i < first + size; ++i) largest = std::max(largest, target.x[i]);
  if (largest < 1e-12f) return {};
  std::array<std::uint16_t, 64> entries;
  GroupScale found;
  float best = 0;
  for (int step = 0; step <= 14; ++step) {  // from well clipped to not clipped at all
    float scale = largest / search.top_level() * (0.5f + 0.05f * static_cast<float>(step));
    for (int refit = 0; refit < 2; ++refit) {
      const Sums sums = round_group(search, target, first, size, scale, entries.data());
      if (!(sums.gg > 0) || !(sums.xg > 0)) break;
      scale = sums.xg / sums.gg;
      if (sums.xg * scale > best) {  // the error falls by (sum w x g)^2 / sum w g^2
        best = sums.xg * scale;
        found = {scale, sums.gg};
      }
    }
  }
  return found;
}

std::uint8_t scale_code(float scale, float d) noexcept {
  return static_cast<std::uint8_t>(clamp(nearest(0.5f * (scale / d - 1)), 0, 15));
}

// d unit such that 4-bit scales 2 s + 1 of it fit the wanted ones best.
float best_shared_scale(std::span<const GroupScale> wanted) {
  float largest = 0;
  for (const GroupScale& group : wanted) largest = std::max(largest, group.scale);
  float best = std::numeric_limits<float>::max(), found = 0;
  for (int step = -8; step <= 8; ++step) {
    const float d = largest / (31.0f + 0.25f * static_cast<float>(step));
    float error = 0;
    for (const GroupScale& group : wanted) {
      const float miss = d * static_cast<float>(2 * scale_code(group.scale, d) + 1) - group.scale;
      error += group.weight * miss * miss;
    }
    if (error < best) {
      best = error;
      found = d;
    }
  }
  return found;
}

}  // namespace

GridSearch::GridSearch(const TableFormat& format)
    : dims_(format.dims), entries_(format.entries), levels_(format.levels) {
  const std::size_t n = entries_.size() / dims_;
  std::size_t n_keys = 1;
  for (std::size_t i = 0; i < dims_; ++i) n_keys *= levels_.size();
  near_.resize(n_keys * kNear);
  std::vector<std::pair<int, std::uint16_t>> order(n);
  for (std::size_t key = 0; key < n_keys; ++key) {
    std::array<int, 8> point{};
    for (std::size_t i = 0, digits = key; i < dims_; ++i, digits /= levels_.size()) {
      point[i] = levels_[digits % levels_.size()];
    }
    for (std::size_t index = 0; index < n; ++index) {
      int distance = 0;
      for (std::size_t i = 0; i < dims_; ++i) {
        const int difference = entry(index)[i] - point[i];
        distance += difference * difference;
      }
      order[index] = {distance, static_cast<std::uint16_t>(index)};
    }
    std::partial_sort(order.begin(), order.begin() + kNear, order.end());
    for (std::size_t c = 0; c < kNear; ++c) near_[key * kNear + c] = order[c].second;
  }
}

std::uint16_t GridSearch::nearest_entry(const float* x, const float* weights, float scale) const {
  const float inverse = 1 / scale;
  std::size_t key = 0;
  for (std::size_t i = dims_; i-- > 0;) {
    const float value = x[i] * inverse;
    std::size_t level = 0;
    while (level + 1 < levels_.size() &&
           2 * value > static_cast<float>(levels_[level] + levels_[level + 1])) {
      ++level;
    }
    key = key * levels_.size() + level;
  }
  const std::uint16_t* candidates = near_.data() + key * kNear;
  std::uint16_t found = candidates[0];
  float best = std::numeric_limits<float>::max();
  for (std::size_t c = 0; c < kNear; ++c) {
    const std::uint8_t* g = entry(candidates[c]);
    float error = 0;
    for (std::size_t i = 0; i < dims_; ++i) {
      const float miss = scale * static_cast<float>(g[i]) - x[i];
      error += weights[i] * miss * miss;
    }
    if (error < best) {
      best = error;
      found = candidates[c];
    }
  }
  return found;
}

TableBlock fit_grid(const GridSearch& search, const TableFormat& format, const float* x,
                    const float* importance) {
  TableBlock fit;
  const Target target = make_target(format, x, importance, fit.signs);
  const std::size_t groups = kSuperBlock / format.scale_group;
  std::array<GroupScale, 16> wanted;
  for (std::size_t j = 0; j < groups; ++j) {
    wanted[j] = best_group_scale(search, target, j * format.scale_group, format.scale_group);
  }
  const float shared = best_shared_scale({wanted.data(), groups});
  fit.d = round_to_f16(shared / format.unit);
  // Entries for the scales as stored, then d refitted to them; twice is enough.
  for (int pass = 0; pass < 2 && fit.d > 0; ++pass) {
    const float step = fit.d * format.unit;
    float xq = 0, qq = 0;
    for (std::size_t j = 0; j < groups; ++j) {
      fit.scales[j] = scale_code(wanted[j].scale, step);
      const auto multiple = static_cast<float>(2 * fit.scales[j] + 1);
      const Sums sums = round_group(search, target, j * format.scale_group, format.scale_group,
                                    step * multiple, fit.entries.data());
      xq += sums.xg * multiple;
      qq += sums.gg * multiple * multiple;
    }
    if (pass == 0 && qq > 0 && xq > 0) fit.d = round_to_f16(xq / qq / format.unit);
  }
  return fit;
}

}  // namespace limbeck::codec
