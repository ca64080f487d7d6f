// What the table with AMX takes from kernels_amx.cpp; the rest are the loops of AVX-512.
#pragma once

#include "limbeck/kernels/kernel_table.h"

namespace limbeck::amx {

// Whether the CPU has it and the system lets this process use it: asks for that, once is enough.
bool is_usable() noexcept;
void pack_row(const QuantizedRows& row, TileLine* tiles, std::size_t n, std::size_t i) noexcept;
void matmul_panels(const PanelMatrix& matrix, std::size_t panel, std::size_t n_panels,
                   const QuantizedRows& x, std::size_t n, Output out) noexcept;
std::uint64_t tile_products(std::uint64_t n) noexcept;

}  // namespace limbeck::amx
