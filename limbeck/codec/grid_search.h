// Rounding to the formats whose codes are entries of a table. The search is our own: for each trial
// scale every group of 4 or 8 takes its best entry of those near its plainly rounded levels; scales
// are refitted to the entries, then both once more with the scales as stored.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "limbeck/codec/grids.h"

namespace limbeck::codec {

class GridSearch {
 public:
  // `entries` [n * dims] magnitudes, `levels` rising: every magnitude is one of them.
  GridSearch(std::span<const std::uint8_t> entries, std::size_t dims,
             std::span<const std::uint8_t> levels);

  std::size_t dims() const noexcept { return dims_; }
  float top_level() const noexcept { return static_cast<float>(levels_.back()); }
  const std::uint8_t* entry(std::size_t index) const noexcept {
    return entries_.data() + index * dims_;
  }
  // The entry with (nearly) the least sum of weights (scale entry - x)^2; scale > 0.
  std::uint16_t nearest_entry(const float* x, const float* weights, float scale) const;

 private:
  std::size_t dims_, bits_;
  std::span<const std::uint8_t> entries_, levels_;
  std::vector<std::uint16_t> near_;  // [key][kNear] entries, nearest first
};

// A superblock in terms of its grid: w = d unit (2 scale + 1) entry sign.
struct GridFit {
  float d = 0;
  std::array<std::uint8_t, 16> scales{};    // [256 / scale_group], 0..15
  std::array<std::uint16_t, 64> entries{};  // [256 / dims]
  std::array<std::uint8_t, 32> signs{};     // bit set: minus; one byte for 8 weights
};

struct GridLayout {
  std::size_t scale_group;  // weights that share a 4-bit scale: 16 or 32
  float unit;
  bool even_signs;  // the number of minus signs of 8 weights must be even
};

// `importance` [256] or null: all alike. d is a binary16 value. Zero weights give d = 0.
GridFit fit_grid(const GridSearch& search, const GridLayout& layout, const float* x,
                 const float* importance);

}  // namespace limbeck::codec
