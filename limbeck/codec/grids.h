// The code books of IQ2 and IQ3: a stored index stands for 8 (IQ2) or 4 (IQ3) magnitudes at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace limbeck {

template <std::size_t Dims, std::size_t Entries>
using GridTable = std::array<std::array<std::uint8_t, Dims>, Entries>;

extern const GridTable<8, 256> kGridIq2Xxs;  // magnitudes 8, 25, 43
extern const GridTable<8, 512> kGridIq2Xs;
extern const GridTable<8, 1024> kGridIq2S;
extern const GridTable<4, 256> kGridIq3Xxs;  // magnitudes 4, 12, 20, 28, 36, 44, 52, 62
extern const GridTable<4, 512> kGridIq3S;    // magnitudes 1, 3, ..., 15

// Seven stored sign bits stand for eight: the eighth makes the number of minus signs even.
inline std::uint8_t signs_of_seven(unsigned bits) noexcept {
  const auto parity = static_cast<unsigned>(__builtin_popcount(bits)) & 1u;
  return static_cast<std::uint8_t>(bits | parity << 7);
}

}  // namespace limbeck
