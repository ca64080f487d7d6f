// The reference: sixteen lanes are an array, every operation one line of portable C++.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "limbeck/base/f16.h"
#include "limbeck/kernels/kernel_table.h"

#define LIMBECK_LANES static inline
#define LIMBECK_MEMBER inline
#define LIMBECK_LOOP
#define LIMBECK_UNROLL
#include "limbeck/kernels/table.inc"

namespace limbeck {
namespace {

struct F {
  float lane[16];
};
struct I {
  std::int32_t lane[16];
};
struct B {
  std::uint8_t byte[64];
};

constexpr std::size_t kPlainRows = 1, kPlainColumns = 1, kPlainRowsAlone = 1;
constexpr std::size_t kSumRows = 1, kSumVectors = 1;
constexpr std::size_t kPanelTile = 1, kColumnTile = 2;
constexpr std::string_view kInt8Instruction = "scalar code";
constexpr std::size_t kRoundedPanels = 1, kRoundedColumns = 1;
constexpr std::size_t kDirectCodeRows = kDirectRows, kDirectRoundedRows = kDirectRows;

template <typename Out, typename Function>
Out lanes(Function f) noexcept {
  Out out;
  for (std::size_t i = 0; i < 16; ++i) out.lane[i] = f(i);
  return out;
}

template <typename T>
T element(const void* p, std::size_t i) noexcept {  // of an unaligned array
  T value;
  std::memcpy(&value, static_cast<const std::byte*>(p) + i * sizeof(T), sizeof(T));
  return value;
}

F set(float x) noexcept {
  return lanes<F>([=](std::size_t) { return x; });
}
F zero() noexcept { return set(0); }
F load(const void* p) noexcept {
  return lanes<F>([=](std::size_t i) { return element<float>(p, i); });
}
void store(float* p, F x) noexcept { std::copy_n(x.lane, 16, p); }
F load_first(const float* p, std::size_t n) noexcept {
  return lanes<F>([=](std::size_t i) { return i < n ? p[i] : 0.0f; });
}
void store_first(float* p, F x, std::size_t n) noexcept { std::copy_n(x.lane, n, p); }
F add(F a, F b) noexcept {
  return lanes<F>([&](std::size_t i) { return a.lane[i] + b.lane[i]; });
}
F sub(F a, F b) noexcept {
  return lanes<F>([&](std::size_t i) { return a.lane[i] - b.lane[i]; });
}
F mul(F a, F b) noexcept {
  return lanes<F>([&](std::size_t i) { return a.lane[i] * b.lane[i]; });
}
F div(F a, F b) noexcept {
  return lanes<F>([&](std::size_t i) { return a.lane[i] / b.lane[i]; });
}
F fma(F a, F b, F c) noexcept {  // one rounding, as the instruction
  return lanes<F>([&](std::size_t i) { return std::fma(a.lane[i], b.lane[i], c.lane[i]); });
}
F fnma(F a, F b, F c) noexcept {
  return lanes<F>([&](std::size_t i) { return std::fma(-a.lane[i], b.lane[i], c.lane[i]); });
}
F max(F a, F b) noexcept {  // b if either is NaN, as the instruction
  return lanes<F>([&](std::size_t i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
}
F min(F a, F b) noexcept {
  return lanes<F>([&](std::size_t i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
}
F absolute(F a) noexcept {
  return lanes<F>([&](std::size_t i) { return std::abs(a.lane[i]); });
}
F round(F a) noexcept {
  return lanes<F>([&](std::size_t i) { return std::nearbyint(a.lane[i]); });
}
float sum(F x) noexcept {
  for (std::size_t half = 8; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) x.lane[i] += x.lane[i + half];
  }
  return x.lane[0];
}
template <std::size_t R>
void store_sums(float* p, const F (&x)[R]) noexcept {
  for (std::size_t r = 0; r < R; ++r) p[r] = sum(x[r]);
}
float largest_of(F x) noexcept {  // by halves: where there is NaN, the order tells
  for (std::size_t half = 8; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i)
      x.lane[i] = x.lane[i] > x.lane[i + half] ? x.lane[i] : x.lane[i + half];
  }
  return x.lane[0];
}

F load_f16(const void* p) noexcept {
  return lanes<F>([=](std::size_t i) { return f16_to_float(element<std::uint16_t>(p, i)); });
}
void store_f16(std::uint16_t* p, F x) noexcept {
  for (std::size_t i = 0; i < 16; ++i) p[i] = float_to_f16(x.lane[i]);
}
// bf16 beside each other, the odd and the even ones: see bf16.inc.
struct Pairs {
  F odd, even;
};
Pairs load_bf16_pairs(const void* p) noexcept {
  const auto half = [=](std::size_t i) {
    return std::bit_cast<float>(std::uint32_t{element<std::uint16_t>(p, i)} << 16);
  };
  return {lanes<F>([=](std::size_t i) { return half(2 * i + 1); }),
          lanes<F>([=](std::size_t i) { return half(2 * i); })};
}
F swap_neighbours(F x) noexcept {
  return lanes<F>([&](std::size_t i) { return x.lane[i ^ 1]; });
}
// To the nearest bf16, half to even; subnormal ones become zero, NaN stays NaN.
F round_bf16(F x) noexcept {
  return lanes<F>([&](std::size_t i) {
    std::uint32_t bits = std::bit_cast<std::uint32_t>(x.lane[i]);
    if (x.lane[i] != x.lane[i]) {
      bits |= 0x400000;
    } else if ((bits & 0x7f800000) == 0) {
      bits &= 0x80000000;
    } else {
      bits += 0x7fff + (bits >> 16 & 1);
    }
    return std::bit_cast<float>(bits & 0xffff0000);
  });
}
I load_u8(const void* p) noexcept {
  return lanes<I>([=](std::size_t i) { return std::int32_t{element<std::uint8_t>(p, i)}; });
}
I load_i8(const void* p) noexcept {
  return lanes<I>([=](std::size_t i) { return std::int32_t{element<std::int8_t>(p, i)}; });
}

I set_int(std::int32_t x) noexcept {
  return lanes<I>([=](std::size_t) { return x; });
}
F to_float(I x) noexcept {
  return lanes<F>([&](std::size_t i) { return static_cast<float>(x.lane[i]); });
}
// Half to even; what no 32-bit integer holds becomes the lowest one, as the instruction does.
I to_int(F x) noexcept {
  return lanes<I>([&](std::size_t i) {
    const float rounded = std::nearbyint(x.lane[i]);
    return rounded >= -0x1p31f && rounded < 0x1p31f ? static_cast<std::int32_t>(rounded)
                                                    : std::int32_t{-0x7fffffff - 1};
  });
}
std::int32_t sum(I x) noexcept {
  std::uint32_t total = 0;  // wraps
  for (const std::int32_t lane : x.lane) total += static_cast<std::uint32_t>(lane);
  return static_cast<std::int32_t>(total);
}
I low_nibbles(I x) noexcept {
  return lanes<I>([&](std::size_t i) { return x.lane[i] & 15; });
}
I high_nibbles(I x) noexcept {
  return lanes<I>([&](std::size_t i) { return x.lane[i] >> 4; });
}
void store_bytes(std::int8_t* p, I x) noexcept {
  for (std::size_t i = 0; i < 16; ++i)
    p[i] = static_cast<std::int8_t>(std::clamp(x.lane[i], -128, 127));
}
F power_of_two(F n) noexcept {
  return lanes<F>([&](std::size_t i) {
    return std::bit_cast<float>((static_cast<std::uint32_t>(n.lane[i] + 127.0f)) << 23);
  });
}

template <typename Function>
B bytes(Function f) noexcept {
  B out;
  for (std::size_t i = 0; i < 64; ++i) out.byte[i] = static_cast<std::uint8_t>(f(i));
  return out;
}
B load_codes(const std::uint8_t* p) noexcept {
  return bytes([=](std::size_t i) { return p[i]; });
}
void store_codes(std::uint8_t* p, B x) noexcept { std::copy_n(x.byte, 64, p); }
template <int shift>
B field(B x, std::uint8_t mask) noexcept {
  return bytes([&](std::size_t i) {
    return (shift > 0 ? x.byte[i] >> std::max(shift, 0) : x.byte[i] << std::max(-shift, 0)) & mask;
  });
}
B either(B a, B b) noexcept {
  return bytes([&](std::size_t i) { return a.byte[i] | b.byte[i]; });
}
B look_up(const std::uint8_t* table, B x) noexcept {
  return bytes([&](std::size_t i) { return table[x.byte[i] & 15]; });
}
B four_bytes(const void* p) noexcept {
  return bytes([=](std::size_t i) { return element<std::uint8_t>(p, i % 4); });
}
I dot(I total, B codes, B x) noexcept {
  for (std::size_t i = 0; i < 64; ++i)
    total.lane[i / 4] += codes.byte[i] * static_cast<std::int8_t>(x.byte[i]);
  return total;
}
// Wide codes have an offset of 128.
I start_wide(std::int32_t x_sum) noexcept { return set_int(-128 * x_sum); }
I dot_wide(I total, B codes, B x) noexcept { return dot(total, codes, x); }
// Tells the compiler that x may have changed.
template <typename T>
void keep(T& x) noexcept {
  asm volatile("" : "+m"(x));
}

void keep_float(F& x) noexcept { keep(x); }

#include "limbeck/kernels/bf16.inc"
#include "limbeck/kernels/panel_kernels.inc"
#include "limbeck/kernels/peaks.inc"
#include "limbeck/kernels/plain.inc"
#include "limbeck/kernels/vectors.inc"

}  // namespace

const KernelTable kScalarKernels = {
    .name = "scalar", .cpu_has = []() noexcept { return true; }, LIMBECK_TABLE(, )};

}  // namespace limbeck
