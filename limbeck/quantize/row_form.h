// The rows that one task of the solver works on, as a quadratic form sees them: weights, their
// rounded values and the gradient, kept in step by what derives from this.
#pragma once

#include <span>
#include <vector>

#include "limbeck/quantize/hessian.h"

namespace limbeck {

// A few rows at once, so that a row of H serves them all while it is in the cache.
class RowForm {
 public:
  // weights [rows, n]; everything referred to must outlive this.
  RowForm(const SolverMatrices& matrices, std::span<const float> weights);

  std::size_t rows() const noexcept { return rows_; }
  // g = H (q - w) from scratch.
  void compute_gradient();
  // (q - w) H (q - w)^T of a row, by the gradient as it stands.
  double loss(std::size_t row) const;

 protected:
  // What an error of each column costs: alone (diag H), or once the columns after it have made up
  // for it. [n]
  std::vector<float> plain_importance() const;
  std::vector<float> late_importance() const;
  void take_form(const RowForm& other, std::size_t row);

  const SolverMatrices& m_;
  std::span<const float> w_;
  std::size_t n_, rows_;
  std::vector<float> q_, g_;  // [rows, n]
};

}  // namespace limbeck
