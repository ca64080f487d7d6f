// Panels of bf16 by VDPBF16PS, twice as many products as in f32. See kernels_avx512.cpp on the
// attributes.
#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC bug 105593, as there
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include "limbeck/kernels/kernels_avx512_bf16.h"

#include <immintrin.h>

#define LIMBECK_ISA "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16,avx2,fma,f16c"
#include "limbeck/kernels/macros.inc"

namespace limbeck {
namespace {

#include "limbeck/kernels/lanes_avx512.inc"

using H = __m512i;  // 32 bf16
constexpr std::size_t kRoundedPanels = 4, kRoundedColumns = 6;
constexpr std::size_t kDirectRoundedRows = kDirectRows;
LIMBECK_LANES H load_halves(const std::uint8_t* p) noexcept { return _mm512_loadu_si512(p); }
LIMBECK_LANES void store_halves(float* p, F low, F high) noexcept {
  _mm512_storeu_si512(p, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}
LIMBECK_LANES F dot_halves(F sum, H a, H b) noexcept {
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}
#define LIMBECK_BF16_PRODUCTS

#include "limbeck/kernels/bf16.inc"

}  // namespace

namespace avx512_bf16 {

LIMBECK_LOOP void round_row(const float* x, std::size_t columns, float* to) noexcept {
  limbeck::round_row(x, columns, to);
}

LIMBECK_LOOP void pack_rounded(const float* row, std::size_t columns, RoundedTile* to,
                               std::size_t tile_stride, std::size_t slot) noexcept {
  limbeck::pack_rounded(row, columns, to, tile_stride, slot);
}

LIMBECK_LOOP void matmul_bf16(const PanelMatrix& m, std::size_t panel, std::size_t n_panels,
                              const RoundedRows& x, std::size_t n, Output out) noexcept {
  limbeck::matmul_bf16(m, panel, n_panels, x, n, out);
}

LIMBECK_LOOP std::uint64_t bf16_products(std::uint64_t n) noexcept {
  constexpr std::size_t kChains = kRoundedPanels * kRoundedColumns / 2;
  H x = _mm512_set1_epi32(0x3f003f00);  // 0.5, 0.5
  F totals[kChains];
  LIMBECK_UNROLL for (std::size_t c = 0; c < kChains; ++c) {
    totals[c] = set(1.0f);
    keep_float(totals[c]);
  }
  for (std::uint64_t i = 0; i < n; ++i) {
    keep(x);
    LIMBECK_UNROLL for (std::size_t c = 0; c < kChains; ++c) totals[c] =
        dot_halves(totals[c], x, x);
  }
  LIMBECK_UNROLL for (std::size_t c = 0; c < kChains; ++c) keep_float(totals[c]);
  return n * kChains * 32;
}

}  // namespace avx512_bf16
}  // namespace limbeck
#endif
