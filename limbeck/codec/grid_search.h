// Rounding to the formats whose codes are entries of a table. The search is our own: for each trial
// scale every group of 4 or 8 takes its best entry of those near its plainly rounded levels; scales
// are refitted to the entries, then both once more with the scales as stored.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "limbeck/codec/table_format.h"

namespace limbeck::codec {

class GridSearch {
 public:
  explicit GridSearch(const TableFormat& format);

  std::size_t dims() const noexcept { return dims_; }
  float top_level() const noexcept { return static_cast<float>(levels_.back()); }
  const std::uint8_t* entry(std::size_t index) const noexcept {
    return entries_.data() + index * dims_;
  }
  // The entry with (nearly) the least sum of weights (scale entry - x)^2; scale > 0.
  std::uint16_t nearest_entry(const float* x, const float* weights, float scale) const;

 private:
  // Entries tried; more gain less than .1 % of the error.
  static constexpr std::size_t kNear = 16;

  std::size_t dims_;
  std::span<const std::uint8_t> entries_, levels_;
  // By key, the plainly rounded levels as digits: the entries nearest to them, nearest first.
  std::vector<std::uint16_t> near_;  // [key][kNear]
};

// `importance` [256] or null: all alike. d is a binary16 value. Zero weights give d = 0.
TableBlock fit_grid(const GridSearch& search, const TableFormat& format, const float* x,
                    const float* importance);

// Rounds one superblock of a format with a table; defined where `pack` knows its bits.
template <typename Stored>
void encode_table(const float* x, const float* importance, Stored& stored) {
  static const TableFormat& format = *find_table_format(Stored::kType);
  static const GridSearch search(format);
  pack(fit_grid(search, format, x, importance), stored);
}

}  // namespace limbeck::codec
