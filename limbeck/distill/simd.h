// Loops that the compiler turns into vector code: element conversion, exp and log without calls.
// exp and log: range reduction and minimax polynomials of Cephes (netlib.org/cephes, single
// precision).
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

// A function compiled once per instruction set, chosen at load time. Not under AddressSanitizer,
// whose runtime is not up yet when the choice is made.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define LIMBECK_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LIMBECK_CLONES
#endif
// Bodies shared by the clones: a function of its own would be compiled for the oldest CPU.
#define LIMBECK_INLINE inline __attribute__((always_inline))

namespace limbeck::distill {

struct Bf16 {
  std::uint16_t bits;
};

LIMBECK_INLINE float load(float x) { return x; }
LIMBECK_INLINE double load(double x) { return x; }
LIMBECK_INLINE float load(Bf16 x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16);
}

LIMBECK_INLINE void store(float& to, float x) { to = x; }
LIMBECK_INLINE void store(double& to, double x) { to = x; }
// Rounds to nearest, ties to even. The only NaN that arithmetic makes stays one.
LIMBECK_INLINE void store(Bf16& to, float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  to.bits = static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

// Relative error under 2e-7 for x in [-87, 88]; clamped outside.
LIMBECK_INLINE float vexp(float x) {
  x = x < -87.3f ? -87.3f : x;
  x = x > 88.0f ? 88.0f : x;
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  const float shifted = x * 1.44269504f + magic;
  const float n = shifted - magic;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const auto exponent = (std::bit_cast<std::uint32_t>(shifted) << 23) + 0x3f800000u;
  return p * std::bit_cast<float>(exponent);
}
LIMBECK_INLINE double vexp(double x) { return std::exp(x); }

// Relative error under 2e-7 for normal x > 0.
LIMBECK_INLINE float vlog(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  // The mantissa in [sqrt(1/2), sqrt(2)): subtracting the bits of sqrt(1/2) carries the exponent.
  const auto offset = bits - 0x3f3504f3u;
  const auto exponent = static_cast<std::int32_t>(offset) >> 23;
  const float m = std::bit_cast<float>((offset & 0x7fffffu) + 0x3f3504f3u) - 1.0f;
  const float e = static_cast<float>(exponent), z = m * m;
  float p = 7.0376836292e-2f;
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  return (m + (p * m * z - 0.5f * z - 2.12194440e-4f * e)) + 0.693359375f * e;
}
LIMBECK_INLINE double vlog(double x) { return std::log(x); }

}  // namespace limbeck::distill
