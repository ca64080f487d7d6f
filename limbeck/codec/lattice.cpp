#include "limbeck/codec/lattice.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "limbeck/base/f16.h"
#include "limbeck/codec/blocks.h"
#include "limbeck/codec/grid_format.h"

namespace limbeck {
namespace {

constexpr std::size_t kGroups = 8;  // of 32 in a superblock

bool is_half(float value) { return round_to_f16(value) == value; }

bool holds_lattices(const GridFormat& format) {
  return format.group == static_cast<int>(kBlock) && !format.levels;
}

// step * counts[j] == values[j] for all, step a binary16 value and each count in [0, most].
bool common_step(std::span<const float> values, int most, float& step, std::int16_t* counts) {
  const float largest = *std::ranges::max_element(
      values, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  step = 0;
  std::fill_n(counts, values.size(), std::int16_t{0});
  if (largest == 0) return true;
  const auto try_step = [&](int parts) {
    step = largest / static_cast<float>(parts);
    if (!is_half(step) || step == 0) return false;
    for (std::size_t j = 0; j < values.size(); ++j) {
      const float count = std::round(values[j] / step);
      if (!(count >= 0 && count <= static_cast<float>(most)) || count * step != values[j]) {
        return false;
      }
      counts[j] = static_cast<std::int16_t>(count);
    }
    return true;
  };
  for (int parts = 1; parts <= most; ++parts) {
    if (try_step(parts)) return true;
  }
  return false;
}

// Scales and minima of one block of the format; how much is added to each code. False: inexact.
bool fit_block(const GridFormat& format, std::span<const LatticeScale> blocks, int max_code,
               UnpackedBlock& out, std::array<int, kGroups>& shifts) {
  std::array<float, kGroups> scales{}, minima{};
  for (std::size_t j = 0; j < blocks.size(); ++j) {
    const LatticeScale& block = blocks[j];
    shifts[j] = format.has_min ? 0 : format.zero - block.zero;
    if (shifts[j] < 0 || max_code + shifts[j] >= format.codes) return false;
    scales[j] = block.scale;
    minima[j] = block.scale * static_cast<float>(block.zero);  // exact: 11 and 6 bits
  }
  if (blocks.size() == 1) {
    out.d = scales[0];
    out.scales[0] = 1;
    out.dmin = format.has_min ? minima[0] : 0.0f;
    out.mins[0] = format.has_min;
    return is_half(out.d) && is_half(out.dmin);
  }
  return common_step(scales, format.scale_high, out.d, out.scales.data()) &&
         common_step(minima, format.min_high, out.dmin, out.mins.data());
}

}  // namespace

bool lattice_fits(TensorType type, std::span<const LatticeScale> blocks, int max_code) {
  const GridFormat* format = find_grid_format(type);
  if (!format || !holds_lattices(*format)) return false;
  const auto groups = static_cast<std::size_t>(format->groups());
  if (blocks.size() % groups != 0) return false;
  UnpackedBlock unpacked;
  std::array<int, kGroups> shifts{};
  for (std::size_t i = 0; i < blocks.size(); i += groups) {
    if (!fit_block(*format, blocks.subspan(i, groups), max_code, unpacked, shifts)) return false;
  }
  return true;
}

void encode_lattice(TensorType type, std::span<const LatticeScale> blocks,
                    std::span<const std::uint8_t> codes, int max_code, std::span<std::byte> bytes) {
  const GridFormat& format = *find_grid_format(type);
  const auto groups = static_cast<std::size_t>(format.groups());
  std::byte* to = bytes.data();
  UnpackedBlock unpacked;
  std::array<int, kGroups> shifts{};
  for (std::size_t i = 0; i < blocks.size(); i += groups, to += info(type).block_bytes) {
    fit_block(format, blocks.subspan(i, groups), max_code, unpacked, shifts);
    for (std::size_t k = 0; k < groups * kBlock; ++k) {
      unpacked.codes[k] = static_cast<std::uint8_t>(codes[i * kBlock + k] + shifts[k / kBlock]);
    }
    pack_block(format, unpacked, to);
  }
}

int read_lattice(TensorType type, std::span<const std::byte> bytes, std::span<LatticeScale> blocks,
                 std::span<std::uint8_t> codes) {
  if (type != TensorType::q4_0 && type != TensorType::q5_0) return 0;
  const GridFormat& format = *find_grid_format(type);
  UnpackedBlock unpacked;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    unpack_block(format, bytes.data() + i * info(type).block_bytes, unpacked);
    blocks[i] = {unpacked.d, format.zero};
    std::copy_n(unpacked.codes.begin(), kBlock,
                codes.begin() + static_cast<std::ptrdiff_t>(i * kBlock));
  }
  return format.codes - 1;
}

}  // namespace limbeck
