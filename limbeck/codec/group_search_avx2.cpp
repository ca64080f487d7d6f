// Eight groups at a time.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cmath>

#include "limbeck/codec/blocks.h"
#include "limbeck/codec/group_search.h"
#include "limbeck/codec/levels.h"

#define LIMBECK_ISA "avx2"
#define LIMBECK_SQRT(x) (F) _mm256_sqrt_ps((__m256)(x))
#define LIMBECK_STORE_BYTES(to, codes) store_low_bytes(to, (__m256i)(codes))
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

}  // namespace
}  // namespace limbeck::codec
#include "limbeck/codec/group_search.inc"

namespace limbeck::codec {
namespace {

bool cpu_has_avx2() noexcept { return __builtin_cpu_supports("avx2") != 0; }

}  // namespace

constinit const GroupSearch kAvx2Search = {
    .name = "avx2", .cpu_has = cpu_has_avx2, LIMBECK_SEARCHES(affine_fits)};

}  // namespace limbeck::codec
#endif
