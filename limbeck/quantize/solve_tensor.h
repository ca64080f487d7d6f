// Rounding one tensor with the solver, some rows at a time.
#pragma once

#include "limbeck/quantize/grid_solver.h"
#include "limbeck/quantize/round_tensor.h"

namespace limbeck {

// can_solve(type). The result's errors are plain ones, comparable with round_tensor's.
RoundedTensor solve_tensor(const Weight& weight, std::string_view name, TensorType type,
                           const SolverMatrices& matrices, const SolverOptions& options,
                           OnNan on_nan, ThreadPool& pool);

}  // namespace limbeck
