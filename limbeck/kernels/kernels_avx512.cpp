// AVX-512 kernels with VNNI: sixteen lanes are one register. The instruction set is named on each
// function, not on the file: inline functions of shared headers would be compiled for it too, and
// the linker may keep them for the whole program (tests/layers/check_isa_objects.sh).
#if defined(__x86_64__)
// GCC 12 sees an uninitialised value in its own _mm512_undefined (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "limbeck/kernels/kernel_table.h"

#define LIMBECK_ISA "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"
#include "limbeck/kernels/macros.inc"

namespace limbeck {
namespace {

using F = __m512;
using I = __m512i;
using B = __m512i;

// Tile sizes: accumulators, weights and temporaries fill 32 registers.
constexpr std::size_t kPlainRows = 4, kPlainColumns = 6, kPlainRowsAlone = 8;
constexpr std::size_t kSumRows = 6, kSumVectors = 4;
constexpr std::size_t kPanelTile = 2, kColumnTile = 6;

LIMBECK_LANES F zero() noexcept { return _mm512_setzero_ps(); }
LIMBECK_LANES F set(float x) noexcept { return _mm512_set1_ps(x); }
LIMBECK_LANES F load(const void* p) noexcept { return _mm512_loadu_ps(p); }
LIMBECK_LANES void store(float* p, F x) noexcept { _mm512_storeu_ps(p, x); }
LIMBECK_LANES __mmask16 first_lanes(std::size_t n) noexcept {
  return static_cast<__mmask16>((1u << n) - 1);
}
LIMBECK_LANES F load_first(const float* p, std::size_t n) noexcept {
  return _mm512_maskz_loadu_ps(first_lanes(n), p);
}
LIMBECK_LANES void store_first(float* p, F x, std::size_t n) noexcept {
  _mm512_mask_storeu_ps(p, first_lanes(n), x);
}
LIMBECK_LANES F add(F a, F b) noexcept { return _mm512_add_ps(a, b); }
LIMBECK_LANES F sub(F a, F b) noexcept { return _mm512_sub_ps(a, b); }
LIMBECK_LANES F mul(F a, F b) noexcept { return _mm512_mul_ps(a, b); }
LIMBECK_LANES F div(F a, F b) noexcept { return _mm512_div_ps(a, b); }
LIMBECK_LANES F fma(F a, F b, F c) noexcept { return _mm512_fmadd_ps(a, b, c); }    // a b + c
LIMBECK_LANES F fnma(F a, F b, F c) noexcept { return _mm512_fnmadd_ps(a, b, c); }  // c - a b
LIMBECK_LANES F max(F a, F b) noexcept { return _mm512_max_ps(a, b); }  // b if either is NaN
LIMBECK_LANES F min(F a, F b) noexcept { return _mm512_min_ps(a, b); }
LIMBECK_LANES F absolute(F a) noexcept { return _mm512_abs_ps(a); }
LIMBECK_LANES F round(F a) noexcept {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// Lanes 8 apart, then 4, 2, 1.
LIMBECK_LANES float sum(F x) noexcept {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
LIMBECK_LANES float largest_of(F x) noexcept { return _mm512_reduce_max_ps(x); }

LIMBECK_LANES F load_f16(const void* p) noexcept {
  return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
}
LIMBECK_LANES void store_f16(std::uint16_t* p, F x) noexcept {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
LIMBECK_LANES F load_bf16(const void* p) noexcept {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
LIMBECK_LANES I load_u8(const void* p) noexcept {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
LIMBECK_LANES I load_i8(const void* p) noexcept {
  return _mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}

LIMBECK_LANES I set_int(std::int32_t x) noexcept { return _mm512_set1_epi32(x); }
LIMBECK_LANES F to_float(I x) noexcept { return _mm512_cvtepi32_ps(x); }
LIMBECK_LANES I to_int(F x) noexcept { return _mm512_cvtps_epi32(x); }
LIMBECK_LANES std::int32_t sum(I x) noexcept { return _mm512_reduce_add_epi32(x); }
LIMBECK_LANES I low_nibbles(I x) noexcept { return _mm512_and_si512(x, _mm512_set1_epi32(15)); }
LIMBECK_LANES I high_nibbles(I x) noexcept { return _mm512_srli_epi32(x, 4); }  // x in [0, 256)
LIMBECK_LANES void store_bytes(std::int8_t* p, I x) noexcept {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(x));
}
LIMBECK_LANES F power_of_two(F n) noexcept {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_add_epi32(to_int(n), _mm512_set1_epi32(127)), 23));
}

LIMBECK_LANES B load_codes(const std::uint8_t* p) noexcept { return _mm512_loadu_si512(p); }
LIMBECK_LANES void store_codes(std::uint8_t* p, B x) noexcept { _mm512_storeu_si512(p, x); }
// (x >> shift) & mask in each byte; mask has no bit above 7 - shift.
template <int shift>
LIMBECK_LANES B field(B x, std::uint8_t mask) noexcept {
  const B m = _mm512_set1_epi8(static_cast<char>(mask));
  if constexpr (shift == 0) return _mm512_and_si512(x, m);
  if constexpr (shift > 0) return _mm512_and_si512(_mm512_srli_epi16(x, shift), m);
  if constexpr (shift < 0) return _mm512_and_si512(_mm512_slli_epi16(x, -shift), m);
}
LIMBECK_LANES B either(B a, B b) noexcept { return _mm512_or_si512(a, b); }
LIMBECK_LANES B look_up(const std::uint8_t* table, B x) noexcept {
  return _mm512_shuffle_epi8(
      _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table))), x);
}
LIMBECK_LANES B four_bytes(const void* p) noexcept {
  std::int32_t word;
  __builtin_memcpy(&word, p, 4);
  return _mm512_set1_epi32(word);
}
// Adds the products of four unsigned codes and four signed ones to each lane. Wide codes use all
// eight bits, with an offset of 128 which `start_wide` takes off: see the AVX2 table for why.
LIMBECK_LANES I dot(I total, B codes, B x) noexcept { return _mm512_dpbusd_epi32(total, codes, x); }
LIMBECK_LANES I start_wide(std::int32_t x_sum) noexcept { return set_int(-128 * x_sum); }
LIMBECK_LANES I dot_wide(I total, B codes, B x) noexcept { return dot(total, codes, x); }
// Tells the compiler that x may have changed.
LIMBECK_LANES void keep(B& x) noexcept { asm volatile("" : "+v"(x)); }
LIMBECK_LANES void keep_float(F& x) noexcept { asm volatile("" : "+v"(x)); }

// For signed codes in tiles: see LIMBECK_SIGNED_WEIGHTS.
LIMBECK_LANES B all_bytes(std::uint8_t x) noexcept {
  return _mm512_set1_epi8(static_cast<char>(x));
}
LIMBECK_LANES B less(B x, std::int32_t offset) noexcept {
  return _mm512_sub_epi8(x, _mm512_set1_epi8(static_cast<char>(offset)));
}
LIMBECK_LANES I negative(I x) noexcept { return _mm512_sub_epi32(_mm512_setzero_si512(), x); }
LIMBECK_LANES I load_int(const std::int32_t* p) noexcept { return _mm512_loadu_si512(p); }
LIMBECK_LANES void store_int(std::int32_t* p, I x) noexcept { _mm512_storeu_si512(p, x); }
#define LIMBECK_SIGNED_WEIGHTS

#include "limbeck/kernels/panel_kernels.inc"
#include "limbeck/kernels/plain.inc"
#include "limbeck/kernels/vectors.inc"

bool cpu_has_avx512() noexcept {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma");
}

}  // namespace

const KernelTable kAvx512Kernels = {.name = "avx512", .cpu_has = cpu_has_avx512, LIMBECK_TABLE};

}  // namespace limbeck
#endif
