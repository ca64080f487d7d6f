// Sixteen groups at a time.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cmath>

#include "limbeck/base/f16.h"
#include "limbeck/codec/blocks.h"
#include "limbeck/codec/group_search.h"
#include "limbeck/codec/levels.h"

#define LIMBECK_ISA "avx512f,avx512bw,avx512dq,avx512vl,f16c"
// Not _mm512_sqrt_ps: gcc 12 warns of its undefined pass-through.
#define LIMBECK_SQRT(x) (F) _mm512_maskz_sqrt_ps(0xffff, (__m512)(x))
namespace limbeck::codec {
namespace {
constexpr std::size_t kLanes = 16;
}
}  // namespace limbeck::codec
#include "limbeck/codec/group_search.inc"

namespace limbeck::codec {
namespace {

// Eight groups (a superblock of 32s) would leave half of the lanes idle.
void fits(const float* x, const float* weights, std::size_t groups, std::size_t size, int max_code,
          const AffineSteps& steps, Affine* found, std::uint8_t* codes) noexcept {
  const auto search = groups <= kLanes / 2 ? kAvx2Search.affine_fits : affine_fits;
  search(x, weights, groups, size, max_code, steps, found, codes);
}

bool cpu_has_avx512() noexcept {
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

}  // namespace

constinit const GroupSearch kAvx512Search = {
    .name = "avx512", .cpu_has = cpu_has_avx512, LIMBECK_SEARCHES(fits)};

}  // namespace limbeck::codec
#endif
