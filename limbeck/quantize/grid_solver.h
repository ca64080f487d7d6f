// Rounding with error feedback on the grids of the block formats. Per row w of a weight matrix it
// looks for codes and scales q that make (q - w) H (q - w)^T small:
//  1. columns in order (GPTQ, Frantar et al. 2022, arXiv:2210.17323): each rounding error is
//     passed on to the columns still to come; a superblock's scales are chosen by weighted search
//     on the updated weights when it is reached, then fixed. Where 8 or 4 weights share an entry
//     of a table (IQ2, IQ3), they are rounded, and their errors passed on, together;
//  2. coordinate descent over single codes, on the exact quadratic form;
//  3. scales refitted under the same form after rounding to what the file stores; 2 again.
#pragma once

#include <cstddef>
#include <span>

#include "limbeck/base/tensor_type.h"
#include "limbeck/base/thread_pool.h"
#include "limbeck/quantize/hessian.h"

namespace limbeck {

struct SolverOptions {
  int rounds = 3;        // of descent and refit
  int table_rounds = 2;  // the same for IQ2 and IQ3, whose searches cost ten times as much
  int code_passes = 2;   // over the codes, per round
  bool feedback = true;  // step 1; else the rows are rounded plainly first
  bool refit = true;     // step 3
};

// Of the block types all but the ternary ones and MXFP4, whose scales are powers of two.
bool can_solve(TensorType type) noexcept;

// Rows [rows, n] as floats into bytes of the format. Deterministic for every number of threads.
// Returns the sum over rows of (q - w) H (q - w)^T with the damped H. can_solve(type), and its
// blocks divide n.
double solve_rows(TensorType type, const SolverMatrices& matrices, const SolverOptions& options,
                  std::span<const float> weights, std::span<std::byte> bytes, ThreadPool& pool);

}  // namespace limbeck
