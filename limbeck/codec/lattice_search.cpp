#include "limbeck/codec/lattice_search.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "limbeck/base/f16.h"
#include "limbeck/codec/blocks.h"
#include "limbeck/codec/codec.h"

namespace limbeck {
namespace {

constexpr int kMiddle = kLatticeCodes / 2;

using BlockValues = std::span<const float, kBlock>;

// How far apart neighbours of the type's values may lie, relative to the value.
double spacing(TensorType stored) {
  return stored == TensorType::bf16 ? 0x1p-7 : stored == TensorType::f16 ? 0x1p-10 : 0x1p-23;
}

// Of multiples from `low` to `high`: 8, as in Q4_0, or another power of two, whose minimum is as
// exact as the scale, where there is one.
int zero_of(int low, int high) {
  for (const int zero : {kMiddle, 4, 2, 1}) {
    if (low + zero >= 0 && high + zero < kLatticeCodes) return zero;
  }
  return -low;
}

// Puts the block on multiples of `scale`. False if they do not round to its weights.
bool try_scale(TensorType stored, BlockValues weights, float scale, LatticeScale& block,
               std::span<std::uint8_t, kBlock> codes) {
  std::array<int, kBlock> multiples;
  const double near = spacing(stored);
  int low = 0, high = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const double exact = double{weights[i]} / double{scale};
    const double whole = std::nearbyint(exact);
    if (!(std::fabs(exact - whole) <= near * std::fabs(exact))) return false;
    multiples[i] = static_cast<int>(whole);
    low = std::min(low, multiples[i]);
    high = std::max(high, multiples[i]);
  }
  if (high - low >= kLatticeCodes) return false;
  std::array<float, kBlock> values;
  std::ranges::transform(multiples, values.begin(),
                         [&](int m) { return scale * static_cast<float>(m); });
  std::array<std::byte, kBlock * sizeof(float)> bytes;
  const auto row = std::span(bytes).first(row_bytes(stored, kBlock));
  encode_row(stored, values, row);
  decode_row(stored, row, values);
  if (!std::ranges::equal(values, weights)) return false;
  block = {scale, zero_of(low, high)};
  std::ranges::transform(multiples, codes.begin(),
                         [&](int m) { return static_cast<std::uint8_t>(m + block.zero); });
  return true;
}

// The coarsest lattice of the block: its largest weight is 1, 2, .. steps from 0. The step lies
// where the rounded product allows, which is several binary16 values for bf16.
bool search(TensorType stored, BlockValues weights, LatticeScale& block,
            std::span<std::uint8_t, kBlock> codes) {
  double largest = 0;
  for (const float w : weights) largest = std::max(largest, std::fabs(double{w}));
  if (largest == 0) {
    block = {0, kMiddle};
    std::ranges::fill(codes, std::uint8_t{kMiddle});
    return true;
  }
  for (int steps = 1; steps < kLatticeCodes; ++steps) {
    const double step = largest / steps, off = step * spacing(stored) / 2;
    if (step + off > 65504) continue;
    const auto end = float_to_f16(static_cast<float>(step + off));
    for (auto bits = float_to_f16(static_cast<float>(step - off)); bits <= end; ++bits) {
      const float scale = f16_to_float(bits);
      if (scale > 0 && try_scale(stored, weights, scale, block, codes)) return true;
    }
  }
  return false;
}

}  // namespace

bool find_lattice(TensorType stored, std::span<const float> weights, std::span<LatticeScale> blocks,
                  std::span<std::uint8_t> codes) {
  const auto of = [](auto all, std::size_t i) {
    return all.subspan(i * kBlock).template first<kBlock>();
  };
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto block_codes = of(codes, i);
    // Groups are often larger than a block, and the finest step of a group is the step of all.
    const bool as_before =
        i > 0 && blocks[i - 1].scale > 0 &&
        try_scale(stored, of(weights, i), blocks[i - 1].scale, blocks[i], block_codes);
    if (!as_before && !search(stored, of(weights, i), blocks[i], block_codes)) return false;
  }
  return true;
}

}  // namespace limbeck
