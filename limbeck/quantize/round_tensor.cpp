#include "limbeck/quantize/round_tensor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "limbeck/base/error.h"
#include "limbeck/codec/codec.h"
#include "limbeck/codec/lattice_search.h"
#include "limbeck/quantize/wide.h"

namespace limbeck {
namespace {

// Weights of one piece of work: large enough to outweigh a thread's start, small enough to balance.
constexpr std::size_t kPieceWeights = 1u << 16;

std::size_t rows_per_piece(std::int64_t columns) {
  return std::max<std::size_t>(1, kPieceWeights / static_cast<std::size_t>(columns));
}

struct Sums {
  double error = 0, norm = 0;
};

// In lanes, which are then added in order: a sum of its own for each of 8 neighbours.
LIMBECK_WIDE void add_errors(std::span<const float> weights, std::span<const float> rounded,
                             Sums& sums) {
  constexpr std::size_t kLanes = 8;
  typedef float Floats __attribute__((vector_size(kLanes * sizeof(float))));
  typedef double Doubles __attribute__((vector_size(kLanes * sizeof(double))));
  Doubles errors = {}, norms = {};
  const auto add = [&](std::size_t i, std::size_t n) __attribute__((always_inline)) {
    Floats of_w = {}, of_q = {};
    std::memcpy(&of_w, weights.data() + i, n * sizeof(float));
    std::memcpy(&of_q, rounded.data() + i, n * sizeof(float));
    const Doubles w = __builtin_convertvector(of_w, Doubles),
                  miss = w - __builtin_convertvector(of_q, Doubles);
    errors += miss * miss;
    norms += w * w;
  };
  std::size_t i = 0;
  for (; i + kLanes <= weights.size(); i += kLanes) add(i, kLanes);
  add(i, weights.size() - i);  // zeros change nothing
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    sums.error += errors[lane];
    sums.norm += norms[lane];
  }
}

LIMBECK_WIDE bool all_finite(std::span<const float> values) {
  constexpr std::uint32_t kExponent = 0x7f800000;
  std::uint32_t odd = 0;
  for (const float value : values) {
    odd |= (std::bit_cast<std::uint32_t>(value) & kExponent) == kExponent ? 1u : 0u;
  }
  return odd == 0;
}

// `work` sees the floats of a piece of rows and returns its sums, which are added in order.
template <typename Work>
void for_pieces(const Weight& weight, std::string_view name, OnNan on_nan, ThreadPool& pool,
                RoundedTensor& rounded, const Work& work) {
  const std::size_t grain = rows_per_piece(weight.columns);
  const auto rows = static_cast<std::size_t>(weight.rows);
  const auto columns = static_cast<std::size_t>(weight.columns);
  std::vector<Sums> sums((rows + grain - 1) / grain);
  pool.run_ranges(rows, grain, [&](std::size_t begin, std::size_t end) {
    std::vector<float> weights((end - begin) * columns);
    read_rows(weight, name, static_cast<std::int64_t>(begin), weights, on_nan);
    work(begin, end, std::span<const float>(weights), sums[begin / grain]);
  });
  rounded.squared_error = rounded.squared_norm = 0;
  for (const Sums& piece : sums) {
    rounded.squared_error += piece.error;
    rounded.squared_norm += piece.norm;
  }
}

// The largest code of the lattice that the row lies on; 0 if on none.
int lattice_of(TensorType type, std::span<const std::byte> bytes, std::span<LatticeScale> blocks,
               std::span<std::uint8_t> codes) {
  if (is_quantized(type)) return read_lattice(type, bytes, blocks, codes);
  std::vector<float> weights(codes.size());
  decode_row(type, bytes, weights);
  return find_lattice(type, weights, blocks, codes) ? kLatticeCodes - 1 : 0;
}

}  // namespace

void read_rows(const Weight& weight, std::string_view name, std::int64_t first,
               std::span<float> out, OnNan on_nan) {
  const auto columns = static_cast<std::size_t>(weight.columns);
  const std::size_t size = row_bytes(weight.type, weight.columns);
  for (std::size_t r = 0; r < out.size() / columns; ++r) {
    const std::size_t row = static_cast<std::size_t>(first) + r;
    const auto weights = out.subspan(r * columns, columns);
    decode_row(weight.type, weight.bytes.subspan(row * size, size), weights);
    if (all_finite(weights)) continue;
    for (std::size_t i = 0; i < columns; ++i) {
      if (std::isfinite(weights[i])) continue;
      if (on_nan == OnNan::fail) {
        fail_try(ErrorKind::numeric, "--on-nan zero replaces such weights by 0",
                 "tensor '{}' has {} in row {}, column {}", name,
                 std::isnan(weights[i]) ? "a NaN" : "an infinity", row, i);
      }
      weights[i] = 0;
    }
  }
}

RoundedTensor round_tensor(const Weight& weight, std::string_view name, TensorType type,
                           std::span<const float> importance, OnNan on_nan, ThreadPool& pool) {
  RoundedTensor rounded;
  const std::size_t size = row_bytes(type, weight.columns);
  const auto columns = static_cast<std::size_t>(weight.columns);
  rounded.bytes.resize(static_cast<std::size_t>(weight.rows) * size);
  const bool same = type == weight.type;
  if (same) std::ranges::copy(weight.bytes, rounded.bytes.begin());
  const auto work = [&](std::size_t begin, std::size_t end, std::span<const float> weights,
                        Sums& sums) {
    std::vector<float> decoded(columns);
    for (std::size_t row = begin; row < end; ++row) {
      const auto from = weights.subspan((row - begin) * columns, columns);
      const auto to = std::span(rounded.bytes).subspan(row * size, size);
      try {
        // A copied row that had a NaN is rounded anew from what took its place.
        if (!same || on_nan == OnNan::zero) encode_row(type, from, to, importance);
      } catch (Error& error) {
        fail(error.kind(), "tensor '{}', row {}: {}", name, row, error.what());
      }
      decode_row(type, to, decoded);
      add_errors(from, decoded, sums);
    }
  };
  for_pieces(weight, name, on_nan, pool, rounded, work);
  return rounded;
}

std::optional<RoundedTensor> recode_exactly(const Weight& weight, std::string_view name,
                                            TensorType type, ThreadPool& pool) {
  if (!is_quantized(type) || weight.columns % 32 != 0) return std::nullopt;
  RoundedTensor exact;
  if (type == weight.type) {
    exact.bytes.assign(weight.bytes.begin(), weight.bytes.end());
  } else {
    const std::size_t from = row_bytes(weight.type, weight.columns),
                      to = row_bytes(type, weight.columns);
    const auto columns = static_cast<std::size_t>(weight.columns);
    std::vector<LatticeScale> blocks(columns / 32);
    std::vector<std::uint8_t> codes(columns);
    exact.bytes.resize(static_cast<std::size_t>(weight.rows) * to);
    for (std::size_t row = 0; row < static_cast<std::size_t>(weight.rows); ++row) {
      const int most =
          lattice_of(weight.type, weight.bytes.subspan(row * from, from), blocks, codes);
      if (most == 0 || !lattice_fits(type, blocks, most)) return std::nullopt;
      encode_lattice(type, blocks, codes, most, std::span(exact.bytes).subspan(row * to, to));
    }
  }
  measure_error(weight, name, type, OnNan::fail, pool, exact);
  return exact;
}

void measure_error(const Weight& weight, std::string_view name, TensorType type, OnNan on_nan,
                   ThreadPool& pool, RoundedTensor& rounded) {
  const std::size_t size = row_bytes(type, weight.columns);
  const auto columns = static_cast<std::size_t>(weight.columns);
  for_pieces(weight, name, on_nan, pool, rounded,
             [&](std::size_t begin, std::size_t end, std::span<const float> weights, Sums& sums) {
               std::vector<float> decoded(columns);
               for (std::size_t row = begin; row < end; ++row) {
                 decode_row(type, std::span(rounded.bytes).subspan(row * size, size), decoded);
                 add_errors(weights.subspan((row - begin) * columns, columns), decoded, sums);
               }
             });
}

}  // namespace limbeck
