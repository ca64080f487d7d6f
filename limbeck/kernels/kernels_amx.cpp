// Panels of quantized weights in the tile registers of AMX (Intel, from Sapphire Rapids on). See
// kernels_avx512.cpp on the attributes.
#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC bug 105593, as there
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include "limbeck/kernels/kernels_amx.h"

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIMBECK_ISA "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,amx-tile,amx-int8,avx2,fma,f16c"
#include "limbeck/kernels/macros.inc"

namespace limbeck {
namespace {

#include "limbeck/kernels/lanes_avx512.inc"

#define LIMBECK_TILE_REGISTERS
#include "limbeck/kernels/panel_kernels.inc"

bool cpu_has_amx() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kTile) != 0 && (d & kInt8) != 0;
}

}  // namespace

namespace amx {

// Linux keeps the registers' 8 kB for those that ask: for the whole process, all its threads.
bool is_usable() noexcept {
  constexpr long kAsk = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return cpu_has_amx() && ::syscall(SYS_arch_prctl, kAsk, kTileData) == 0;
}

LIMBECK_LOOP void pack_row(const QuantizedRows& row, TileLine* tiles, std::size_t n,
                           std::size_t i) noexcept {
  limbeck::pack_row(row, tiles, n, i);
}

LIMBECK_LOOP void matmul_panels(const PanelMatrix& matrix, std::size_t panel, std::size_t n_panels,
                                const QuantizedRows& x, std::size_t n, Output out) noexcept {
  // A product of two sums a block would cost more than it saves, and few rows are read directly.
  const bool two_scales = panel_layout(matrix.type)->two_scales;
  if (n > kDirectRows && !two_scales)
    return limbeck::matmul_panels(matrix, panel, n_panels, x, n, out);
  QuantizedRows pairs = x;
  pairs.tiles = x.pair_tiles;
  kAvx512Kernels.matmul_panels(matrix, panel, n_panels, pairs, n, out);
}

LIMBECK_LOOP std::uint64_t tile_products(std::uint64_t n) noexcept {
  take_registers(
      {.row_bytes = {64, 64, 0, 0, 64, 64, 64, 64}, .rows = {16, 16, 0, 0, 16, 16, 16, 16}});
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (std::uint64_t i = 0; i < n; ++i) {
    _tile_dpbssd(4, 0, 1);
    _tile_dpbssd(5, 0, 1);
    _tile_dpbssd(6, 0, 1);
    _tile_dpbssd(7, 0, 1);
  }
  _tile_release();
  return n * 4 * 16 * 16 * 64;
}

}  // namespace amx
}  // namespace limbeck
#endif
