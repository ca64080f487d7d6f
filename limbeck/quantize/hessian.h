// Second moments of the inputs of a linear layer, E[x x^T]: what an error of its weights costs.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "limbeck/base/thread_pool.h"

namespace limbeck {

struct Hessian {
  std::size_t n = 0;
  std::vector<float> moments;  // [n, n], symmetric: the sum of x x^T until `finish`, then its mean
  double count = 0;            // activations seen

  explicit Hessian(std::size_t columns = 0) : n(columns), moments(columns * columns) {}

  // x [count, n] row-major. The sum does not depend on the number of threads.
  void add(std::span<const float> x, ThreadPool& pool);
  // Divides by the count and fills the lower triangle. Once.
  void finish();
  std::vector<float> diagonal() const;
};

// What the solver works with: the moments with `damping` times their mean on the diagonal, and the
// factor of the inverse. Raises the damping tenfold until the factor exists.
struct SolverMatrices {
  std::size_t n = 0;
  std::vector<float> h;  // [n, n] damped
  std::vector<float> u;  // [n, n] upper triangular, u^T u = h^-1
  double damping = 0;    // as used
};

// Throws Error{numeric} naming `name` if no damping helps (moments that are not numbers).
SolverMatrices solver_matrices(const Hessian& hessian, double damping, const std::string& name,
                               ThreadPool& pool);

}  // namespace limbeck
