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
constexpr std::size_t kMostEntries = 1024;

using Floats = float __attribute__((vector_size(kLanes * sizeof(float))));
using Ints = std::int32_t __attribute__((vector_size(kLanes * sizeof(std::int32_t))));

struct Least {
  float cost = 0;
  std::uint16_t entry = 0;
};

// Entries and their magnitudes, plane by plane.
struct Entries {
  const float* planes;  // [dims][stride]
  std::size_t stride, n;
};

// The form over magnitudes: cost = sum over i of e[i] (linear[i] + sum over j >= i of
// form[i][j] e[j]), entry by entry in lanes. `costs` of each entry, if asked for, and `reach`: the
// largest of the lanes' least costs, within which are as many entries as there are lanes or more.
template <std::size_t D>
inline __attribute__((always_inline)) Least least_entry(const float (&form)[D][D],
                                                        const float (&linear)[D],
                                                        const Entries& entries, float* costs,
                                                        float* reach) {
  Floats best;
  Ints found, entry;
  for (std::size_t l = 0; l < kLanes; ++l) {
    best[l] = std::numeric_limits<float>::max();
    found[l] = 0;
    entry[l] = static_cast<std::int32_t>(l);
  }
  for (std::size_t k = 0; k < entries.n; k += kLanes) {
    Floats e[D];
    for (std::size_t i = 0; i < D; ++i)
      std::memcpy(&e[i], entries.planes + i * entries.stride + k, sizeof e[i]);
    Floats cost = {};
    for (std::size_t i = 0; i < D; ++i) {
      Floats slope = linear[i] + form[i][i] * e[i];
      for (std::size_t j = i + 1; j < D; ++j) slope += form[i][j] * e[j];
      cost += slope * e[i];
    }
    if (costs) std::memcpy(costs + k, &cost, sizeof cost);
    const Ints less = cost < best;
    best = less ? cost : best;
    found = less ? entry : found;
    entry += static_cast<std::int32_t>(kLanes);
  }
  Least least{best[0], static_cast<std::uint16_t>(found[0])};
  float most = best[0];
  for (std::size_t l = 1; l < kLanes; ++l) {
    const auto at = static_cast<std::uint16_t>(found[l]);
    if (best[l] < least.cost || (best[l] == least.cost && at < least.entry)) {
      least = {best[l], at};
    }
    most = std::max(most, best[l]);
  }
  if (reach) *reach = most;
  return least;
}

LIMBECK_WIDE Least least_of_eight(const float (&form)[8][8], const float (&linear)[8],
                                  const Entries& entries, float* costs, float* reach) {
  return least_entry<8>(form, linear, entries, costs, reach);
}
LIMBECK_WIDE Least least_of_four(const float (&form)[4][4], const float (&linear)[4],
                                 const Entries& entries, float* costs, float* reach) {
  return least_entry<4>(form, linear, entries, costs, reach);
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

Least least(const Entries& entries, std::size_t dims, const float* s, const float* b, float step,
            unsigned signs, float* costs = nullptr, float* reach = nullptr) {
  if (dims == 8) {
    float form[8][8], linear[8];
    fold(s, b, step, signs, form, linear);
    return least_of_eight(form, linear, entries, costs, reach);
  }
  float form[4][4], linear[4];
  fold(s, b, step, signs, form, linear);
  return least_of_four(form, linear, entries, costs, reach);
}

}  // namespace

// The entries that were best under some signs, in their order: what other signs are tried on.
struct EntrySearch::Near {
  static constexpr std::size_t kMost = 128;
  float planes[8 * kMost];
  std::uint16_t entries[kMost];
  std::size_t n = 0;  // a multiple of the lanes

  Near(const EntrySearch& search, const float* costs, float reach) {
    for (std::size_t k = 0; k < search.n_ && n < kMost; ++k) {
      entries[n] = static_cast<std::uint16_t>(k);
      n += costs[k] <= reach ? 1 : 0;
    }
    while (n == 0 || n % kLanes != 0) entries[n++] = entries[0];  // which changes nothing
    for (std::size_t i = 0; i < search.format_.dims; ++i) {
      const float* from = search.planes_.data() + i * search.n_;
      for (std::size_t k = 0; k < n; ++k) planes[i * kMost + k] = from[entries[k]];
    }
  }
};

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

FoundEntry EntrySearch::best_of_near(const Near& near, const float* s, const float* b, float step,
                                     unsigned signs) const {
  const Least found = least({near.planes, Near::kMost, near.n}, format_.dims, s, b, step, signs);
  return {near.entries[found.entry], static_cast<std::uint8_t>(signs), found.cost};
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
                                     const FoundEntry& at, const Near& near, std::span<Flip> flips,
                                     std::size_t tries) const {
  // Of flips as good as each other those first found, in the order of a sort that has no ties.
  const std::size_t count = std::min(tries, flips.size());
  std::partial_sort(flips.begin(), flips.begin() + static_cast<std::ptrdiff_t>(count), flips.end(),
                    [](const Flip& x, const Flip& y) {
                      return x.change < y.change || (x.change == y.change && x.mask < y.mask);
                    });
  FoundEntry found;
  for (std::size_t i = 0; i < count; ++i) {
    const FoundEntry next = best_of_near(near, s, b, step, at.signs ^ flips[i].mask);
    if (i == 0 || next.cost < found.cost) found = next;
  }
  return found;
}

FoundEntry EntrySearch::best(const float* s, const float* b, float step, unsigned signs,
                             Parity parity, std::size_t tries) const {
  const Entries all{planes_.data(), n_, n_};
  float costs[kMostEntries], reach = 0;
  const Least first = least(all, format_.dims, s, b, step, signs, costs, &reach);
  const Near near(*this, costs, reach);
  FoundEntry found{first.entry, static_cast<std::uint8_t>(signs), first.cost};
  std::array<Flip, kFlips> flips;
  if (!allowed(signs, parity)) {
    const std::size_t n = list_flips(s, b, step, found, true, false, flips);
    found = best_flipped(s, b, step, found, near, std::span(flips).first(n), tries);
  }
  for (int i = 0; i < kMostRounds; ++i) {
    const std::size_t n = list_flips(s, b, step, found, parity == Parity::any, true, flips);
    const FoundEntry next = best_flipped(s, b, step, found, near, std::span(flips).first(n), tries);
    if (!(next.cost < found.cost)) break;
    found = next;
  }
  if (found.signs == signs) return found;
  const Least last = least(all, format_.dims, s, b, step, found.signs);
  if (last.cost < found.cost) found = {last.entry, found.signs, last.cost};
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
