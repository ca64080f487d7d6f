// Rows for the golden tests, the same that tests/golden/codec/make_golden.py makes: integers scaled
// by powers of two, so both languages get the same floats.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace limbeck::golden {

inline constexpr std::size_t kColumns = 512, kKinds = 10;

class SplitMix {  // Steele, Lea and Flood 2014
 public:
  explicit SplitMix(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  // In (-2^17, 2^17), nearly normal.
  std::int64_t bell() {
    const std::uint64_t z = next();
    std::int64_t sum = -2 * 0xffff;
    for (int k = 0; k < 4; ++k) sum += static_cast<std::int64_t>(z >> 16 * k & 0xffff);
    return sum;
  }

 private:
  std::uint64_t state_;
};

inline std::vector<float> row(std::size_t kind) {
  SplitMix random(1000 + kind);
  std::vector<float> values(kColumns);
  for (std::size_t i = 0; i < kColumns; ++i) {
    const std::int64_t integer = random.bell();
    const auto bell = static_cast<double>(integer);
    double x = bell * 0x1p-20;
    switch (kind) {
      case 1:
        x = bell * std::fabs(bell) * 0x1p-36;
        break;  // heavy tails
      case 2:
        x = 0.25;
        break;
      case 3:
        x = 0;
        break;
      case 4:
        x = bell * 0x1p-42;
        break;  // scales below the smallest normal binary16
      case 5:
        x = bell * 0x1p-6;
        break;
      case 6:
        x = std::fabs(bell) * 0x1p-20 + 0.125;
        break;  // all positive
      case 7:
        x = i / 16 % 3 == 1 ? 0.0 : i % 101 == 50 ? 3.0 : x;
        break;  // outliers, zero groups
      case 8:
        x = (i / 16 % 2 ? 1.0 : -1.0) * static_cast<double>(1 + i / 32) / 64;
        break;
      case 9:
        x = integer % 10 == 0 ? x : 0.0;
        break;  // sparse
      default:
        break;
    }
    values[i] = static_cast<float>(x);
  }
  return values;
}

inline std::vector<float> importance(std::size_t kind) {
  SplitMix random(2000 + kind);
  std::vector<float> values(kColumns);
  for (std::size_t i = 0; i < kColumns; ++i) {
    const auto bell = static_cast<double>(random.bell());
    const bool zero = (kind == 7 && i < 32) || i % 37 == 36;
    values[i] = zero ? 0.0f : static_cast<float>(bell * bell * 0x1p-32);
  }
  return values;
}

}  // namespace limbeck::golden
