// Numbers as bits, the most likely ones short: Golomb-Rice and Elias gamma codes
// (R. F. Rice, JPL Publication 79-22; P. Elias, IEEE Trans. Inf. Theory 21, 1975).
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "limbeck/base/error.h"

namespace limbeck {

// Rice's code of a number: number >> k ones and a zero, then its k low bits. Where that would be
// long: kRiceEscape ones, then 32 bits.
inline constexpr unsigned kRiceEscape = 24, kRiceLargest = 31;

inline std::uint64_t rice_bits(std::uint32_t number, unsigned k) {
  const std::uint64_t quotient = number >> k;
  return quotient < kRiceEscape ? quotient + 1 + k : kRiceEscape + 32;
}

// The parameter by which the numbers take the fewest bits.
inline unsigned best_rice(std::span<const std::uint32_t> numbers, std::uint64_t& bits) {
  unsigned best = 0;
  bits = ~std::uint64_t{0};
  for (unsigned k = 0; k <= kRiceLargest; ++k) {
    std::uint64_t sum = 0;
    for (const std::uint32_t number : numbers) sum += rice_bits(number, k);
    if (sum < bits) bits = sum, best = k;
  }
  return best;
}

class BitWriter {
 public:
  void bits(std::uint64_t value, unsigned n) {
    for (unsigned i = 0; i < n; ++i) bit(value >> i & 1);
  }
  void rice(std::uint32_t number, unsigned k) {
    const std::uint32_t quotient = number >> k;
    const bool escape = quotient >= kRiceEscape;
    for (std::uint32_t i = 0; i < (escape ? kRiceEscape : quotient); ++i) bit(true);
    if (escape) return bits(number, 32);
    bit(false);
    bits(number, k);
  }
  // number >= 1
  void gamma(std::uint32_t number) {
    const auto width = static_cast<unsigned>(std::bit_width(number));
    for (unsigned i = 1; i < width; ++i) bit(true);
    bit(false);
    bits(number, width - 1);
  }
  // The last byte is filled up with zeros.
  std::string take() { return std::move(bytes_); }

 private:
  void bit(bool value) {
    if (used_ == 0) bytes_ += '\0';
    if (value)
      bytes_.back() = static_cast<char>(static_cast<unsigned char>(bytes_.back()) | 1u << used_);
    used_ = (used_ + 1) % 8;
  }

  std::string bytes_;
  unsigned used_ = 0;  // bits of the last byte
};

// Throws Error{format} where the bits end too early or a code is none.
class BitReader {
 public:
  BitReader(std::string_view bytes, std::string_view origin) : bytes_(bytes), origin_(origin) {}

  std::uint64_t left() const { return 8 * std::uint64_t{bytes_.size()} - at_; }

  std::uint32_t bits(unsigned n) {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < n; ++i) value |= std::uint32_t{bit()} << i;
    return value;
  }
  std::uint32_t rice(unsigned k) {
    std::uint32_t quotient = 0;
    while (quotient < kRiceEscape && bit()) ++quotient;
    if (quotient == kRiceEscape) return bits(32);
    if (std::uint64_t{quotient} << k > 0xffffffffu) refuse("a number is too large");
    return (quotient << k) + bits(k);
  }
  std::uint32_t gamma() {
    unsigned width = 1;
    while (bit()) {
      if (++width > 32) refuse("a number is too large");
    }
    return (width == 32 ? 1u << 31 : 1u << (width - 1)) | bits(width - 1);
  }
  // Nothing but the filling of the last byte may be left.
  void end() {
    if (left() >= 8 || bits(static_cast<unsigned>(left())) != 0)
      refuse("there is more than was told");
  }
  [[noreturn]] void refuse(std::string_view what) const {
    fail(ErrorKind::format, "{}: {}", origin_, what);
  }

 private:
  bool bit() {
    if (at_ >= 8 * std::uint64_t{bytes_.size()}) refuse("cut off");
    const auto byte = static_cast<unsigned char>(bytes_[static_cast<std::size_t>(at_ / 8)]);
    return (byte >> at_++ % 8 & 1) != 0;
  }

  std::string_view bytes_, origin_;
  std::uint64_t at_ = 0;
};

}  // namespace limbeck
