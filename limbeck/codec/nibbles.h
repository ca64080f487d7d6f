// The bits of 32 codes of four or five bits, as the formats with 32 weights a block lay them.
#pragma once

#include <cstdint>
#include <cstring>

namespace limbeck::codec {

inline std::uint8_t byte(int value) noexcept { return static_cast<std::uint8_t>(value); }

// The low four bits of codes j and j + 16 in byte j.
inline void pack_nibbles(const std::uint8_t* codes, std::uint8_t (&bytes)[16]) noexcept {
  for (std::size_t j = 0; j < 16; ++j) {
    bytes[j] = byte((codes[j] & 15) | (codes[j + 16] & 15) << 4);
  }
}

// The fifth bits, in order.
inline void pack_high(const std::uint8_t* codes, std::uint8_t (&high)[4]) noexcept {
  for (std::size_t j = 0; j < 4; ++j) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, codes + 8 * j, sizeof eight);
    // The fifth bit of byte k comes to bit 56 + k.
    high[j] =
        byte(static_cast<int>((eight >> 4 & 0x0101010101010101u) * 0x0102040810204080u >> 56));
  }
}

}  // namespace limbeck::codec
