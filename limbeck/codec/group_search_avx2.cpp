// Eight groups at a time.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cmath>

#include "limbeck/base/f16.h"
#include "limbeck/codec/blocks.h"
#include "limbeck/codec/group_search.h"
#include "limbeck/codec/levels.h"

#define LIMBECK_ISA "avx2,f16c"
#define LIMBECK_SQRT(x) (F) _mm256_sqrt_ps((__m256)(x))
#define LIMBECK_STORE_BYTES(to, codes) store_low_bytes(to, (__m256i)(codes))
#define LIMBECK_STORE_BLOCK(to, codes, top) store_32_bytes(to, (const __m256i*)(codes), top)
namespace limbeck::codec {
namespace {

constexpr std::size_t kLanes = 8;

// The compiler narrows integers one by one where the instruction set has nothing for it.
__attribute__((target(LIMBECK_ISA), always_inline)) inline void store_low_bytes(
    std::uint8_t* to, __m256i values) noexcept {
  const __m256i low = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                       0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i halves = _mm256_shuffle_epi8(values, low);
  const __m128i bytes =
      _mm_unpacklo_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), bytes);
}

// Of 32, none negative, the lesser of each and `top`. Packing works within halves of the registers:
// fours of bytes come out as 0 2 4 6 1 3 5 7.
__attribute__((target(LIMBECK_ISA), always_inline)) inline void store_32_bytes(
    std::uint8_t* to, const __m256i* values, int top) noexcept {
  const __m256i low = _mm256_packs_epi32(values[0], values[1]),
                high = _mm256_packs_epi32(values[2], values[3]),
                order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7),
                bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                      _mm256_min_epu8(bytes, _mm256_set1_epi8(static_cast<char>(top))));
}

}  // namespace
}  // namespace limbeck::codec
#include "limbeck/codec/group_search.inc"

namespace limbeck::codec {
namespace {

// F16C is older than AVX2; clang 14 cannot ask for it.
bool cpu_has_avx2() noexcept { return __builtin_cpu_supports("avx2") != 0; }

}  // namespace

constinit const GroupSearch kAvx2Search = {
    .name = "avx2", .cpu_has = cpu_has_avx2, LIMBECK_SEARCHES(affine_fits)};

}  // namespace limbeck::codec
#endif
