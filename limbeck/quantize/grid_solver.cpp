#include "limbeck/quantize/grid_solver.h"

#include <vector>

#include "limbeck/quantize/row_state.h"
#include "limbeck/quantize/table_state.h"

namespace limbeck {
namespace {

constexpr std::size_t kRowsAtOnce = 16;

// Rounds the rows of `plain`, a fresh state; their losses to `losses`.
template <typename State>
void solve(State& plain, const SolverOptions& options, int rounds, std::span<std::byte> bytes,
           std::span<double> losses) {
  plain.round_plainly();
  plain.compute_gradient();
  State state(plain);
  if (options.feedback) {
    state.round_with_feedback();
    state.compute_gradient();
  }
  for (int round = 0; round < rounds; ++round) {
    for (int pass = 0; pass < options.code_passes; ++pass) {
      if (state.descend_codes() == 0) break;
    }
    if (!options.refit) continue;
    state.refit_block_scales();
    state.refit_group_scales();
    state.descend_codes();
  }
  state.compute_gradient();  // from scratch: sums of many steps drift
  const std::size_t row_size = bytes.size() / losses.size();
  for (std::size_t row = 0; row < losses.size(); ++row) {
    if (!(state.loss(row) <= plain.loss(row))) state.take_row(plain, row);
    losses[row] = state.loss(row);
    state.store(row, bytes.subspan(row * row_size, row_size));
  }
}

RowState make_state(const GridFormat& format, const SolverMatrices& matrices,
                    std::span<const float> weights) {
  return {format, matrices, weights};
}
TableState make_state(const TableForms& forms, const SolverMatrices& matrices,
                      std::span<const float> weights) {
  return {forms, matrices, weights};
}

}  // namespace

bool can_solve(TensorType type) noexcept {
  return (find_grid_format(type) && type != TensorType::mxfp4) || find_table_format(type);
}

double solve_rows(TensorType type, const SolverMatrices& matrices, const SolverOptions& options,
                  std::span<const float> weights, std::span<std::byte> bytes, ThreadPool& pool) {
  const std::size_t n = matrices.n, rows = weights.size() / n;
  const std::size_t row_size = row_bytes(type, static_cast<std::int64_t>(n));
  std::vector<double> losses(rows);
  const auto in_pieces = [&](const auto& shared, int rounds) {
    pool.run_ranges(rows, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
      const std::size_t count = end - begin;
      auto state = make_state(shared, matrices, weights.subspan(begin * n, count * n));
      solve(state, options, rounds, bytes.subspan(begin * row_size, count * row_size),
            std::span(losses).subspan(begin, count));
    });
  };
  if (const GridFormat* grid = find_grid_format(type)) {
    in_pieces(*grid, options.rounds);
  } else {
    in_pieces(TableForms(*find_table_format(type), matrices), options.table_rounds);
  }
  double total = 0;
  for (const double loss : losses) total += loss;
  return total;
}

}  // namespace limbeck
