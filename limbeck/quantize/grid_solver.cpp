#include "limbeck/quantize/grid_solver.h"

#include <vector>

#include "limbeck/quantize/row_state.h"

namespace limbeck {
namespace {

constexpr std::size_t kRowsAtOnce = 16;

}  // namespace

double solve_rows(const GridFormat& format, const SolverMatrices& matrices,
                  const SolverOptions& options, std::span<const float> weights,
                  std::span<std::byte> bytes, ThreadPool& pool) {
  const std::size_t n = matrices.n, rows = weights.size() / n;
  const std::size_t row_size = row_bytes(format.type, static_cast<std::int64_t>(n));
  std::vector<double> losses(rows);
  pool.run_ranges(rows, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
    const auto piece = weights.subspan(begin * n, (end - begin) * n);
    RowState plain(format, matrices, piece);
    plain.round_plainly();
    plain.compute_gradient();
    RowState state(plain);
    if (options.feedback) {
      state.round_with_feedback();
      state.compute_gradient();
    }
    for (int round = 0; round < options.rounds; ++round) {
      for (int pass = 0; pass < options.code_passes; ++pass) {
        if (state.descend_codes() == 0) break;
      }
      if (!options.refit) continue;
      state.refit_block_scales();
      state.refit_group_scales();
      state.descend_codes();
    }
    state.compute_gradient();  // from scratch: sums of many steps drift
    for (std::size_t row = 0; row < end - begin; ++row) {
      if (!(state.loss(row) <= plain.loss(row))) state.take_row(plain, row);
      losses[begin + row] = state.loss(row);
      state.store(row, bytes.subspan((begin + row) * row_size, row_size));
    }
  });
  double total = 0;
  for (const double loss : losses) total += loss;
  return total;
}

}  // namespace limbeck
