// The 12 bytes that hold 8 scales and 8 mins of 6 bits each in Q4_K and Q5_K: j < 4 lie plain in
// bytes j and j + 4; j >= 4 have both low nibbles in byte j + 4, their high bits above the plain
// ones.
#pragma once

#include <cstddef>
#include <cstdint>

namespace limbeck::codec {

inline std::uint8_t packed_scale(const std::uint8_t* bytes, std::size_t j) noexcept {
  return static_cast<std::uint8_t>(j < 4 ? bytes[j] & 63
                                         : (bytes[j + 4] & 15) | bytes[j - 4] >> 6 << 4);
}

inline std::uint8_t packed_min(const std::uint8_t* bytes, std::size_t j) noexcept {
  return static_cast<std::uint8_t>(j < 4 ? bytes[j + 4] & 63
                                         : bytes[j + 4] >> 4 | bytes[j] >> 6 << 4);
}

// Ascending j only; byte order of writes matters.
inline void store_packed(std::uint8_t* bytes, std::size_t j, int scale, int min) noexcept {
  const auto add = [&](std::size_t i, int value) {
    bytes[i] = static_cast<std::uint8_t>(bytes[i] | value);
  };
  if (j < 4) {
    bytes[j] = static_cast<std::uint8_t>(scale);
    bytes[j + 4] = static_cast<std::uint8_t>(min);
  } else {
    bytes[j + 4] = static_cast<std::uint8_t>((scale & 15) | (min & 15) << 4);
    add(j - 4, scale >> 4 << 6);
    add(j, min >> 4 << 6);
  }
}

}  // namespace limbeck::codec
