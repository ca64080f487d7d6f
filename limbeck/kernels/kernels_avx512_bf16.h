// What the avx512_bf16 table has of its own; the rest is the avx512 table's.
#pragma once

#include "limbeck/kernels/kernel_table.h"

namespace limbeck::avx512_bf16 {

void round_row(const float* x, std::size_t columns, float* to) noexcept;
void pack_rounded(const float* row, std::size_t columns, RoundedTile* to, std::size_t tile_stride,
                  std::size_t slot) noexcept;
void matmul_bf16(const PanelMatrix& matrix, std::size_t panel, std::size_t n_panels,
                 const RoundedRows& x, std::size_t n, Output out) noexcept;
std::uint64_t bf16_products(std::uint64_t n) noexcept;

}  // namespace limbeck::avx512_bf16
