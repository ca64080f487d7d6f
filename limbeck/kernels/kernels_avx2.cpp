// AVX2 kernels: sixteen lanes are two registers. See kernels_avx512.cpp on the attributes.
#if defined(__x86_64__)
#include <immintrin.h>

#include "limbeck/kernels/kernel_table.h"

#define LIMBECK_ISA "avx2,fma,f16c"
#include "limbeck/kernels/macros.inc"

namespace limbeck {
namespace {

struct F {
  __m256 a, b;
};
struct I {
  __m256i a, b;
};
using B = I;

constexpr std::size_t kPlainRows = 2, kPlainColumns = 3, kPlainRowsAlone = 4;
constexpr std::size_t kSumRows = 3, kSumVectors = 2;
constexpr std::size_t kPanelTile = 1, kColumnTile = 3;
constexpr std::string_view kInt8Instruction = "VPMADDUBSW";
constexpr std::size_t kRoundedPanels = 1, kRoundedColumns = 6;
// Tiles pay late without wide products (Zen 3, 9.6M weights in the last-level cache: eight bf16
// rows at 42 % of the tiles' time).
constexpr std::size_t kDirectCodeRows = 8, kDirectRoundedRows = 16;

LIMBECK_LANES F zero() noexcept { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
LIMBECK_LANES F set(float x) noexcept { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
LIMBECK_LANES F load(const void* p) noexcept {
  const float* floats = static_cast<const float*>(p);
  return {_mm256_loadu_ps(floats), _mm256_loadu_ps(floats + 8)};
}
LIMBECK_LANES void store(float* p, F x) noexcept {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
LIMBECK_LANES F load_first(const float* p, std::size_t n) noexcept {
  alignas(32) float lanes[16] = {};
  for (std::size_t i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
}
LIMBECK_LANES void store_first(float* p, F x, std::size_t n) noexcept {
  alignas(32) float lanes[16];
  store(lanes, x);
  for (std::size_t i = 0; i < n; ++i) p[i] = lanes[i];
}
LIMBECK_LANES F add(F x, F y) noexcept {
  return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}
LIMBECK_LANES F sub(F x, F y) noexcept {
  return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}
LIMBECK_LANES F mul(F x, F y) noexcept {
  return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}
LIMBECK_LANES F div(F x, F y) noexcept {
  return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}
LIMBECK_LANES F fma(F x, F y, F z) noexcept {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
LIMBECK_LANES F fnma(F x, F y, F z) noexcept {
  return {_mm256_fnmadd_ps(x.a, y.a, z.a), _mm256_fnmadd_ps(x.b, y.b, z.b)};
}
LIMBECK_LANES F max(F x, F y) noexcept {
  return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}
LIMBECK_LANES F min(F x, F y) noexcept {
  return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)};
}
LIMBECK_LANES F absolute(F x) noexcept {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
LIMBECK_LANES F round(F x) noexcept {
  return {_mm256_round_ps(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
          _mm256_round_ps(x.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
// Lanes 8 apart, then 4, 2, 1.
LIMBECK_LANES __m128 quarter_sums(F x) noexcept {
  const __m256 eight = _mm256_add_ps(x.a, x.b);
  return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}
LIMBECK_LANES float sum(F x) noexcept {
  __m128 four = quarter_sums(x);
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
// The same of four vectors at a time.
template <std::size_t R>
LIMBECK_LANES void store_sums(float* p, const F (&x)[R]) noexcept {
  std::size_t r = 0;
  LIMBECK_UNROLL for (; r + 4 <= R; r += 4) {
    const __m128 a = quarter_sums(x[r]), b = quarter_sums(x[r + 1]);
    const __m128 c = quarter_sums(x[r + 2]), d = quarter_sums(x[r + 3]);
    const __m128 ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
    const __m128 cd = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
    _mm_storeu_ps(p + r, _mm_add_ps(_mm_shuffle_ps(ab, cd, 0x88), _mm_shuffle_ps(ab, cd, 0xdd)));
  }
  for (; r < R; ++r) p[r] = sum(x[r]);
}
LIMBECK_LANES float largest_of(F x) noexcept {
  const __m256 eight = _mm256_max_ps(x.a, x.b);
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

LIMBECK_LANES F load_f16(const void* p) noexcept {
  const __m128i* halves = static_cast<const __m128i*>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(halves)), _mm256_cvtph_ps(_mm_loadu_si128(halves + 1))};
}
LIMBECK_LANES void store_f16(std::uint16_t* p, F x) noexcept {
  __m128i* halves = reinterpret_cast<__m128i*>(p);
  _mm_storeu_si128(halves, _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(halves + 1, _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
}
// bf16 beside each other, the odd and the even ones: see bf16.inc.
struct Pairs {
  F odd, even;
};
LIMBECK_LANES Pairs load_bf16_pairs(const void* p) noexcept {
  const __m256i* words = static_cast<const __m256i*>(p);
  const __m256i a = _mm256_loadu_si256(words), b = _mm256_loadu_si256(words + 1);
  const __m256i high = _mm256_set1_epi32(-65536);
  return {{_mm256_castsi256_ps(_mm256_and_si256(a, high)),
           _mm256_castsi256_ps(_mm256_and_si256(b, high))},
          {_mm256_castsi256_ps(_mm256_slli_epi32(a, 16)),
           _mm256_castsi256_ps(_mm256_slli_epi32(b, 16))}};
}
LIMBECK_LANES F swap_neighbours(F x) noexcept {
  return {_mm256_permute_ps(x.a, 0xb1), _mm256_permute_ps(x.b, 0xb1)};
}
// To the nearest bf16, half to even; subnormal ones become zero, NaN stays NaN.
LIMBECK_LANES __m256 round_bf16(__m256 x) noexcept {
  const __m256i bits = _mm256_castps_si256(x), zeros = _mm256_setzero_si256();
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i up = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  const __m256i rounded = _mm256_or_si256(_mm256_add_epi32(bits, _mm256_andnot_si256(nan, up)),
                                          _mm256_and_si256(nan, _mm256_set1_epi32(0x400000)));
  const __m256i exponent = _mm256_and_si256(bits, _mm256_set1_epi32(0x7f800000));
  const __m256i small = _mm256_cmpeq_epi32(exponent, zeros);
  const __m256i kept =
      _mm256_blendv_epi8(_mm256_set1_epi32(-65536), _mm256_set1_epi32(-0x7fffffff - 1), small);
  return _mm256_castsi256_ps(_mm256_and_si256(_mm256_blendv_epi8(rounded, bits, small), kept));
}
LIMBECK_LANES F round_bf16(F x) noexcept { return {round_bf16(x.a), round_bf16(x.b)}; }
LIMBECK_LANES I load_u8(const void* p) noexcept {
  const __m128i bytes = _mm_loadu_si128(static_cast<const __m128i*>(p));
  return {_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8))};
}
LIMBECK_LANES I load_i8(const void* p) noexcept {
  const __m128i bytes = _mm_loadu_si128(static_cast<const __m128i*>(p));
  return {_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8))};
}

LIMBECK_LANES I set_int(std::int32_t x) noexcept {
  return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}
LIMBECK_LANES F to_float(I x) noexcept {
  return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)};
}
LIMBECK_LANES I to_int(F x) noexcept { return {_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)}; }
LIMBECK_LANES std::int32_t sum(I x) noexcept {
  const __m256i eight = _mm256_add_epi32(x.a, x.b);
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}
LIMBECK_LANES I low_nibbles(I x) noexcept {
  const __m256i mask = _mm256_set1_epi32(15);
  return {_mm256_and_si256(x.a, mask), _mm256_and_si256(x.b, mask)};
}
LIMBECK_LANES I high_nibbles(I x) noexcept {
  return {_mm256_srli_epi32(x.a, 4), _mm256_srli_epi32(x.b, 4)};
}
LIMBECK_LANES void store_bytes(std::int8_t* p, I x) noexcept {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(x.a, x.b), 0xd8);
  const __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}
LIMBECK_LANES __m256 power_of_two(__m256 n) noexcept {
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}
LIMBECK_LANES F power_of_two(F n) noexcept { return {power_of_two(n.a), power_of_two(n.b)}; }

LIMBECK_LANES B load_codes(const std::uint8_t* p) noexcept {
  const __m256i* halves = reinterpret_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(halves), _mm256_loadu_si256(halves + 1)};
}
LIMBECK_LANES void store_codes(std::uint8_t* p, B x) noexcept {
  __m256i* halves = reinterpret_cast<__m256i*>(p);
  _mm256_storeu_si256(halves, x.a);
  _mm256_storeu_si256(halves + 1, x.b);
}
template <int shift>
LIMBECK_LANES B field(B x, std::uint8_t mask) noexcept {
  const __m256i m = _mm256_set1_epi8(static_cast<char>(mask));
  if constexpr (shift == 0) return {_mm256_and_si256(x.a, m), _mm256_and_si256(x.b, m)};
  if constexpr (shift > 0) {
    return {_mm256_and_si256(_mm256_srli_epi16(x.a, shift), m),
            _mm256_and_si256(_mm256_srli_epi16(x.b, shift), m)};
  }
  if constexpr (shift < 0) {
    return {_mm256_and_si256(_mm256_slli_epi16(x.a, -shift), m),
            _mm256_and_si256(_mm256_slli_epi16(x.b, -shift), m)};
  }
}
LIMBECK_LANES B either(B x, B y) noexcept {
  return {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)};
}
LIMBECK_LANES B look_up(const std::uint8_t* table, B x) noexcept {
  const __m256i t =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  return {_mm256_shuffle_epi8(t, x.a), _mm256_shuffle_epi8(t, x.b)};
}
LIMBECK_LANES B four_bytes(const void* p) noexcept {
  std::int32_t word;
  __builtin_memcpy(&word, p, 4);
  return set_int(word);
}
// maddubs adds two products in sixteen bits with saturation: codes below 129 cannot reach it
// (2 * 128 * 127 < 2^15), so narrow codes go as they are.
LIMBECK_LANES __m256i dot(__m256i total, __m256i codes, __m256i x) noexcept {
  const __m256i pairs = _mm256_maddubs_epi16(codes, x);
  return _mm256_add_epi32(total, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
LIMBECK_LANES I dot(I total, B codes, B x) noexcept {
  return {dot(total.a, codes.a, x.a), dot(total.b, codes.b, x.b)};
}
#define LIMBECK_SHORT_SUMS  // maddubs before madd: see BlockSum
LIMBECK_LANES I short_products(B codes, B x) noexcept {
  return {_mm256_maddubs_epi16(codes.a, x.a), _mm256_maddubs_epi16(codes.b, x.b)};
}
LIMBECK_LANES I add_short(I x, I y) noexcept {
  return {_mm256_add_epi16(x.a, y.a), _mm256_add_epi16(x.b, y.b)};
}
LIMBECK_LANES I add_widened(I total, I pairs) noexcept {
  const __m256i ones = _mm256_set1_epi16(1);
  return {_mm256_add_epi32(total.a, _mm256_madd_epi16(pairs.a, ones)),
          _mm256_add_epi32(total.b, _mm256_madd_epi16(pairs.b, ones))};
}
// Wide codes have an offset of 128: they are made signed, and their sign moved to x.
LIMBECK_LANES I start_wide(std::int32_t) noexcept { return set_int(0); }
LIMBECK_LANES __m256i dot_wide(__m256i total, __m256i codes, __m256i x) noexcept {
  const __m256i q = _mm256_xor_si256(codes, _mm256_set1_epi8(-128));
  return dot(total, _mm256_abs_epi8(q), _mm256_sign_epi8(x, q));
}
LIMBECK_LANES I dot_wide(I total, B codes, B x) noexcept {
  return {dot_wide(total.a, codes.a, x.a), dot_wide(total.b, codes.b, x.b)};
}
// Tells the compiler that x may have changed.
LIMBECK_LANES void keep(B& x) noexcept { asm volatile("" : "+x"(x.a), "+x"(x.b)); }
LIMBECK_LANES void keep_float(F& x) noexcept { asm volatile("" : "+x"(x.a), "+x"(x.b)); }

#include "limbeck/kernels/bf16.inc"
#include "limbeck/kernels/panel_kernels.inc"
#include "limbeck/kernels/peaks.inc"
#include "limbeck/kernels/plain.inc"
#include "limbeck/kernels/vectors.inc"

// Every CPU with AVX2 and FMA has F16C, which clang 14 cannot ask about.
bool cpu_has_avx2() noexcept {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

}  // namespace

const KernelTable kAvx2Kernels = {.name = "avx2", .cpu_has = cpu_has_avx2, LIMBECK_TABLE(, )};

}  // namespace limbeck
#endif
