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
#include "limbeck/kernels/kernels_amx.h"
#include "limbeck/kernels/kernels_avx512_bf16.h"

#define LIMBECK_ISA "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"
#include "limbeck/kernels/macros.inc"

namespace limbeck {
namespace {

#include "limbeck/kernels/lanes_avx512.inc"

constexpr std::size_t kRoundedPanels = 2, kRoundedColumns = 6;
constexpr std::size_t kDirectCodeRows = kDirectRows, kDirectRoundedRows = kDirectRows;

// bf16 beside each other, the odd and the even ones: see bf16.inc.
struct Pairs {
  F odd, even;
};
LIMBECK_LANES Pairs load_bf16_pairs(const void* p) noexcept {
  const __m512i words = _mm512_loadu_si512(p);
  return {_mm512_castsi512_ps(_mm512_and_si512(words, _mm512_set1_epi32(-65536))),
          _mm512_castsi512_ps(_mm512_slli_epi32(words, 16))};
}
LIMBECK_LANES F swap_neighbours(F x) noexcept { return _mm512_permute_ps(x, 0xb1); }
// To the nearest bf16, half to even; subnormal ones become zero, NaN stays NaN.
LIMBECK_LANES F round_bf16(F x) noexcept {
  const __m512i bits = _mm512_castps_si512(x), high = _mm512_set1_epi32(-65536);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 small = _mm512_testn_epi32_mask(bits, _mm512_set1_epi32(0x7f800000));
  rounded = _mm512_mask_and_epi32(rounded, small, bits, _mm512_set1_epi32(INT32_MIN));
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
  return _mm512_castsi512_ps(_mm512_and_si512(rounded, high));
}

#include "limbeck/kernels/bf16.inc"
#include "limbeck/kernels/panel_kernels.inc"
#include "limbeck/kernels/peaks.inc"
#include "limbeck/kernels/plain.inc"
#include "limbeck/kernels/vectors.inc"

bool cpu_has_avx512() noexcept {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma");
}
bool cpu_has_avx512_bf16() noexcept {
  return cpu_has_avx512() && __builtin_cpu_supports("avx512bf16");
}
bool cpu_has_amx() noexcept { return cpu_has_avx512() && amx::is_usable(); }

}  // namespace

const KernelTable kAvx512Kernels = {.name = "avx512", .cpu_has = cpu_has_avx512, LIMBECK_TABLE(, )};
const KernelTable kAvx512Bf16Kernels = {
    .name = "avx512_bf16", .cpu_has = cpu_has_avx512_bf16, LIMBECK_TABLE(, avx512_bf16::)};
// Intel's alone: there bf16 is faster by AVX-512's float products (kernel_table.cpp).
const KernelTable kAmxKernels = {.name = "amx",
                                 .cpu_has = cpu_has_amx,
                                 LIMBECK_TABLE(amx::, ),
                                 .pack_pairs = pack_row,
                                 .tile_products = amx::tile_products,
                                 .tile_instruction = "TDPBSSD"};

}  // namespace limbeck
#endif
