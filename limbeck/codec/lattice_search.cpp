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
    if (!(std::fabs(whole) < kLatticeCodes)) return false;  // nor would it fit an int
    if (std::fabs(exact - whole) > near * std::fabs(exact)) return false;
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

// A row taken apart block by block.
struct Row {
  TensorType stored;
  std::span<const float> weights;
  std::span<LatticeScale> blocks;
  std::span<std::uint8_t> codes;

  BlockValues weights_of(std::size_t i) const {
    return weights.subspan(i * kBlock).first<kBlock>();
  }
  std::span<std::uint8_t, kBlock> codes_of(std::size_t i) const {
    return codes.subspan(i * kBlock).first<kBlock>();
  }
  bool holds(std::size_t i, float scale) const {
    return try_scale(stored, weights_of(i), scale, blocks[i], codes_of(i));
  }
};

// Puts block `last` on the scale of the blocks from `first` on, or all of them on a near one:
// groups are often larger than a block, and each rounded block alone leaves several scales to
// choose from. False leaves the blocks before `last` as they are.
bool join(const Row& row, std::size_t first, std::size_t last) {
  const int reach = row.stored == TensorType::bf16 ? 8 : row.stored == TensorType::f16 ? 1 : 0;
  const int bits = float_to_f16(row.blocks[first].scale);
  if (row.blocks[first].scale == 0) return false;
  const auto all_on = [&](float scale) {
    if (!row.holds(last, scale)) return false;
    for (std::size_t i = first; i < last; ++i) {
      if (!row.holds(i, scale)) return false;
    }
    return true;
  };
  for (int away = 0; away <= reach; ++away) {
    for (const int there : {bits - away, bits + away}) {
      const float scale = f16_to_float(static_cast<std::uint16_t>(std::max(there, 0)));
      if (scale > 0 && all_on(scale)) return true;
    }
  }
  for (std::size_t i = first; i < last; ++i) {
    row.holds(i, f16_to_float(static_cast<std::uint16_t>(bits)));
  }
  return false;
}

}  // namespace

bool find_lattice(TensorType stored, std::span<const float> weights, std::span<LatticeScale> blocks,
                  std::span<std::uint8_t> codes) {
  const Row row{stored, weights, blocks, codes};
  std::size_t first = 0;  // of the blocks that share a scale
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i > 0 && join(row, first, i)) continue;
    if (!search(stored, row.weights_of(i), blocks[i], row.codes_of(i))) return false;
    first = i;
  }
  return true;
}

}  // namespace limbeck
