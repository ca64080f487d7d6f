#include "limbeck/quantize/entry_search.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "limbeck/quantize/wide.h"

namespace limbeck {
namespace {

constexpr std::size_t kLanes = 16;
constexpr int kMostRounds = 4;  // more are rare

using Floats = float __attribute__((vector_size(kLanes * sizeof(float))));
using Ints = std::int32_t __attribute__((vector_size(kLanes * sizeof(std::int32_t))));

struct Least {
  float cost = 0;
  std::uint16_t entry = 0;
};

// The form over magnitudes: cost = sum over i of e[i] (linear[i] + sum over j >= i of
// form[i][j] e[j]), entry by entry in lanes.
template <std::size_t D>
inline __attribute__((always_inline)) Least least_entry(const float (&form)[D][D],
                                                        const float (&linear)[D],
                                                        const float* planes, std::size_t n) {
  Floats best;
  Ints found, entry;
  for (std::size_t l = 0; l < kLanes; ++l) {
    best[l] = std::numeric_limits<float>::max();
    found[l] = 0;
    entry[l] = static_cast<std::int32_t>(l);
  }
  for (std::size_t k = 0; k < n; k += kLanes) {
    Floats e[D];
    for (std::size_t i = 0; i < D; ++i) std::memcpy(&e[i], planes + i * n + k, sizeof e[i]);
    Floats cost = {};
    for (std::size_t i = 0; i < D; ++i) {
      Floats slope = linear[i] + form[i][i] * e[i];
      for (std::size_t j = i + 1; j < D; ++j) slope += form[i][j] * e[j];
      cost += slope * e[i];
    }
    const Ints less = cost < best;
    best = less ? cost : best;
    found = less ? entry : found;
    entry += static_cast<std::int32_t>(kLanes);
  }
  Least least{best[0], static_cast<std::uint16_t>(found[0])};
  for (std::size_t l = 1; l < kLanes; ++l) {
    const auto at = static_cast<std::uint16_t>(found[l]);
    if (best[l] < least.cost || (best[l] == least.cost && at < least.entry)) {
      least = {best[l], at};
    }
  }
  return least;
}

LIMBECK_WIDE Least least_of_eight(const float (&form)[8][8], const float (&linear)[8],
                                  const float* planes, std::size_t n) {
  return least_entry<8>(form, linear, planes, n);
}
LIMBECK_WIDE Least least_of_four(const float (&form)[4][4], const float (&linear)[4],
                                 const float* planes, std::size_t n) {
  return least_entry<4>(form, linear, planes, n);
}

// Folds step and signs into the form.
template <std::size_t D>
void fold(const float* s, const float* b, float step, unsigned signs, float (&form)[D][D],
          float (&linear)[D]) {
  float factor[D];
  for (std::size_t i = 0; i < D; ++i) factor[i] = signs >> i & 1 ? -step : step;
  for (std::size_t i = 0; i < D; ++i) {
    linear[i] = -2 * factor[i] * b[i];
    form[i][i] = factor[i] * factor[i] * s[i * D + i];
    for (std::size_t j = i + 1; j < D; ++j) form[i][j] = 2 * factor[i] * factor[j] * s[i * D + j];
  }
}

}  // namespace

bool allowed(unsigned signs, Parity parity) noexcept {
  return parity == Parity::any || (std::popcount(signs) % 2 != 0) == (parity == Parity::odd);
}

EntrySearch::EntrySearch(const TableFormat& format)
    : format_(format), n_(format.entries.size() / format.dims), planes_(format.entries.size()) {
  for (std::size_t k = 0; k < n_; ++k) {
    for (std::size_t i = 0; i < format.dims; ++i) {
      planes_[i * n_ + k] = static_cast<float>(format.entries[k * format.dims + i]);
    }
  }
}

void EntrySearch::values(float step, unsigned entry, unsigned signs, float* out) const noexcept {
  const std::uint8_t* magnitudes = format_.entries.data() + entry * format_.dims;
  for (std::size_t i = 0; i < format_.dims; ++i) {
    const float value = step * static_cast<float>(magnitudes[i]);
    out[i] = signs >> i & 1 ? -value : value;
  }
}

float EntrySearch::cost(const float* s, const float* b, float step, unsigned entry,
                        unsigned signs) const {
  const std::size_t dims = format_.dims;
  float q[8], sum = 0;
  values(step, entry, signs, q);
  for (std::size_t i = 0; i < dims; ++i) {
    float row = -2 * b[i];
    for (std::size_t j = 0; j < dims; ++j) row += s[i * dims + j] * q[j];
    sum += row * q[i];
  }
  return sum;
}

FoundEntry EntrySearch::best_entry(const float* s, const float* b, float step,
                                   unsigned signs) const {
  Least least;
  if (format_.dims == 8) {
    float form[8][8], linear[8];
    fold(s, b, step, signs, form, linear);
    least = least_of_eight(form, linear, planes_.data(), n_);
  } else {
    float form[4][4], linear[4];
    fold(s, b, step, signs, form, linear);
    least = least_of_four(form, linear, planes_.data(), n_);
  }
  return {least.entry, static_cast<std::uint8_t>(signs), least.cost};
}

std::size_t EntrySearch::list_flips(const float* s, const float* b, float step,
                                    const FoundEntry& at, bool one, bool two,
                                    std::span<Flip, kFlips> flips) const {
  const std::size_t dims = format_.dims;
  float q[8], change[8];
  values(step, at.entry, at.signs, q);
  for (std::size_t i = 0; i < dims; ++i) {
    float slope = -b[i];
    for (std::size_t j = 0; j < dims; ++j) slope += s[i * dims + j] * q[j];
    change[i] = 4 * q[i] * (q[i] * s[i * dims + i] - slope);
  }
  std::size_t n = 0;
  for (std::size_t i = 0; i < dims; ++i) {
    if (one) flips[n++] = {change[i], 1u << i};
    if (!two) continue;
    for (std::size_t j = i + 1; j < dims; ++j) {
      const float both = change[i] + change[j] + 8 * q[i] * q[j] * s[i * dims + j];
      flips[n++] = {both, 1u << i | 1u << j};
    }
  }
  return n;
}

FoundEntry EntrySearch::best_flipped(const float* s, const float* b, float step,
                                     const FoundEntry& at, std::span<Flip> flips,
                                     std::size_t tries) const {
  // Of flips as good as each other those first found, in the order of a sort that has no ties.
  const std::size_t count = std::min(tries, flips.size());
  std::partial_sort(flips.begin(), flips.begin() + static_cast<std::ptrdiff_t>(count), flips.end(),
                    [](const Flip& x, const Flip& y) {
                      return x.change < y.change || (x.change == y.change && x.mask < y.mask);
                    });
  FoundEntry found;
  for (std::size_t i = 0; i < count; ++i) {
    const FoundEntry next = best_entry(s, b, step, at.signs ^ flips[i].mask);
    if (i == 0 || next.cost < found.cost) found = next;
  }
  return found;
}

FoundEntry EntrySearch::best(const float* s, const float* b, float step, unsigned signs,
                             Parity parity, std::size_t tries) const {
  std::array<Flip, kFlips> flips;
  FoundEntry found = best_entry(s, b, step, signs);
  if (!allowed(signs, parity)) {
    const std::size_t n = list_flips(s, b, step, found, true, false, flips);
    found = best_flipped(s, b, step, found, std::span(flips).first(n), tries);
  }
  for (int i = 0; i < kMostRounds; ++i) {
    const std::size_t n = list_flips(s, b, step, found, parity == Parity::any, true, flips);
    const FoundEntry next = best_flipped(s, b, step, found, std::span(flips).first(n), tries);
    if (!(next.cost < found.cost)) break;
    found = next;
  }
  return found;
}

unsigned EntrySearch::signs_in_turn(const float* u, std::size_t stride, const float* t,
                                    float step) const {
  const std::size_t dims = format_.dims;
  float left[8];
  std::copy_n(t, dims, left);
  unsigned signs = 0;
  for (std::size_t i = 0; i < dims; ++i) {
    const float wanted = left[i] / step;
    float level = format_.levels[0];
    for (const std::uint8_t other : format_.levels) {
      const auto next = static_cast<float>(other);
      if (std::fabs(std::fabs(wanted) - next) < std::fabs(std::fabs(wanted) - level)) level = next;
    }
    if (wanted < 0) {
      signs |= 1u << i;
      level = -level;
    }
    const float error = (step * level - left[i]) / u[i * stride + i];
    for (std::size_t k = i + 1; k < dims; ++k) left[k] += error * u[i * stride + k];
  }
  return signs;
}

}  // namespace limbeck
