// The inner loops of inference, one table of function pointers per instruction set.
// Adding an instruction set: write kernels_<isa>.cpp (sixteen lanes of float, and of bytes times
// bytes), add its table to kAllKernels. Tests and benchmarks loop over supported_kernels().
//
// Every table gives the same bits (products of bf16 below 2^-126 excepted). The loops are written
// once, over sixteen lanes (*.inc), and each output is a fixed sequence of operations: it depends
// neither on the instruction set, nor on the number of threads, nor on how many rows or columns are
// computed together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "limbeck/kernels/panels.h"

namespace limbeck {

// Rows of activations in blocks of 32: x[i] ~ scales[i / 32] * codes[i]. Shapes per row:
// codes [columns], scales [columns / 32], sums [columns / 16] of the codes. More than kDirectRows
// rows are there as `tiles` too, tile_lines long and filled by pack_row; where the table has
// pack_pairs, types with two scales a block read `pair_tiles`. From how many rows tiles pay is the
// table's to say.
inline constexpr std::size_t kDirectRows = 4;
struct QuantizedRows {
  const std::int8_t* codes = nullptr;
  const float* scales = nullptr;
  const std::int32_t* sums = nullptr;
  std::size_t columns = 0;
  const TileLine* tiles = nullptr;
  const TileLine* pair_tiles = nullptr;
};

// Rows of activations rounded to bf16, `stride` floats apart; more than kDirectRows are there as
// `tiles` too: [columns / 256, up][rows / kTileRows, up], filled by pack_rounded.
struct RoundedRows {
  const float* rows = nullptr;
  std::size_t stride = 0;
  const RoundedTile* tiles = nullptr;
};

// Rows as they lie in the file (or the key-value cache): f32 or f16.
struct PlainRows {
  TensorType type = TensorType::f32;
  const std::byte* data = nullptr;
  std::size_t columns = 0;
  std::size_t stride = 0;  // bytes from a row to the next
};

// out[i * stride + r]: column i is an activation row, r a weight row.
struct Output {
  float* data = nullptr;
  std::size_t stride = 0;
};

// Kernels trust their arguments and never throw: shapes are checked where tensors are made.
struct KernelTable {
  std::string_view name;  // "scalar", "avx2", ...
  bool (*cpu_has)() noexcept;

  // One row to codes, round half to even, scale = max |x| / 127. columns % 32 == 0.
  void (*quantize_row)(const float* x, std::size_t columns, std::int8_t* codes, float* scales,
                       std::int32_t* sums) noexcept;

  // One quantized row, the one with number `i` of `n`, into its place in the tiles.
  void (*pack_row)(const QuantizedRows& row, TileLine* tiles, std::size_t n,
                   std::size_t i) noexcept;

  // Rows [16 * panel, ...) of `n_panels` panels times `n` quantized rows. Only rows below
  // matrix.rows are written.
  void (*matmul_panels)(const PanelMatrix& matrix, std::size_t panel, std::size_t n_panels,
                        const QuantizedRows& x, std::size_t n, Output out) noexcept;

  // One row rounded to bf16, half to even, what is below 2^-126 to zero, in the form that the
  // table multiplies. `to` [columns rounded up to 32].
  void (*round_row)(const float* x, std::size_t columns, float* to) noexcept;
  // What round_row made into its place: `to` is the first of its tiles, the next 256 columns go to
  // the tile `tile_stride` further; `slot` is the row's number in a tile.
  void (*pack_rounded)(const float* row, std::size_t columns, RoundedTile* to,
                       std::size_t tile_stride, std::size_t slot) noexcept;
  // As matmul_panels, of bf16.
  void (*matmul_bf16)(const PanelMatrix& matrix, std::size_t panel, std::size_t n_panels,
                      const RoundedRows& x, std::size_t n, Output out) noexcept;

  // `n_rows` rows times `n` rows of floats, `x_stride` floats apart.
  void (*matmul_plain)(const PlainRows& rows, std::size_t n_rows, const float* x,
                       std::size_t x_stride, std::size_t n, Output out) noexcept;

  // In place: x <- softmax(x). n == 0 does nothing.
  void (*softmax)(float* x, std::size_t n) noexcept;
  // A piece of a longer softmax. `top` and `total` are of the pieces before (total 0: none):
  // x <- e^(x - top'), top' the new largest, `total` grows by what x sums to. Returns what sums
  // over the pieces before are to be multiplied by: e^(top - top'), 1 where n == 0.
  float (*softmax_piece)(float* x, std::size_t n, float& top, float& total) noexcept;
  // out[i][c] = sum over j of weights[i * weights_stride + j] * values[j][c], or added to what is
  // there; f32 or f16 values. In the order of j.
  void (*weighted_sum)(const float* weights, std::size_t weights_stride, std::size_t n,
                       const PlainRows& values, std::size_t n_values, Output out,
                       bool add) noexcept;
  // In place: x <- x * factor.
  void (*scale)(float* x, std::size_t n, float factor) noexcept;
  // f32 to f16, half to even.
  void (*to_f16)(const float* x, std::size_t n, std::uint16_t* out) noexcept;

  // In place, n values: x <- silu(x), or gelu's tanh form; multiplied by `up` unless it is null.
  void (*silu)(float* x, const float* up, std::size_t n) noexcept;
  void (*gelu_tanh)(float* x, const float* up, std::size_t n) noexcept;
  // x <- cap * tanh(x / cap).
  void (*soft_cap)(float* x, std::size_t n, float cap) noexcept;
  // Sum of squares.
  float (*sum_of_squares)(const float* x, std::size_t n) noexcept;

  // Nothing but products from registers, for the machine's limit: `n` rounds; returns how many
  // multiply-adds they were.
  std::uint64_t (*int8_products)(std::uint64_t n) noexcept;
  std::string_view int8_instruction;  // which one that is
  std::uint64_t (*float_products)(std::uint64_t n) noexcept;
  std::uint64_t (*bf16_products)(std::uint64_t n) noexcept;

  // As pack_row, into `pair_tiles`; nullptr: one order serves all types.
  void (*pack_pairs)(const QuantizedRows& row, TileLine* tiles, std::size_t n,
                     std::size_t i) noexcept = nullptr;
  // As int8_products, of the instruction that takes whole tiles; nullptr: there is none.
  std::uint64_t (*tile_products)(std::uint64_t n) noexcept = nullptr;
  std::string_view tile_instruction = {};
};

extern const KernelTable kScalarKernels;
#if defined(__x86_64__)
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;
extern const KernelTable kAvx512Bf16Kernels;
extern const KernelTable kAmxKernels;
#elif defined(__aarch64__)
extern const KernelTable kNeonKernels;
extern const KernelTable kNeonDotprodKernels;
#endif

// The tables this CPU can run, fastest first; scalar is always the last.
std::vector<const KernelTable*> supported_kernels();

// The table in use: LIMBECK_KERNELS=<name> if set, else the fastest. Chosen once, thread-safe.
// Throws Error{usage} if LIMBECK_KERNELS names a table this CPU cannot run.
const KernelTable& kernels();

}  // namespace limbeck
