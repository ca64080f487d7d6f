// Eight groups at a time.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cmath>

#include "limbeck/codec/blocks.h"
#include "limbeck/codec/group_search.h"
#include "limbeck/codec/levels.h"

#define LIMBECK_ISA "avx2"
#define LIMBECK_SQRT(x) (F) _mm256_sqrt_ps((__m256)(x))
namespace limbeck::codec {
namespace {
constexpr std::size_t kLanes = 8;
}
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
