#include "limbeck/quantize/row_form.h"

#include <algorithm>

#include "limbeck/quantize/dense.h"

namespace limbeck {

RowForm::RowForm(const SolverMatrices& matrices, std::span<const float> weights)
    : m_(matrices),
      w_(weights),
      n_(matrices.n),
      rows_(weights.size() / matrices.n),
      q_(weights.size()),
      g_(weights.size()) {}

void RowForm::compute_gradient() {
  std::vector<float> errors(q_.size());
  for (std::size_t i = 0; i < q_.size(); ++i) errors[i] = q_[i] - w_[i];
  std::fill(g_.begin(), g_.end(), 0.0f);
  add_product({errors.data(), n_, 1, m_.h.data(), n_, n_}, g_.data(), n_, rows_, 0, n_);
}

double RowForm::loss(std::size_t row) const {
  double sum = 0;
  for (std::size_t i = row * n_; i < (row + 1) * n_; ++i) {
    sum += (double{q_[i]} - double{w_[i]}) * double{g_[i]};
  }
  return sum;
}

std::vector<float> RowForm::plain_importance() const {
  std::vector<float> importance(n_);
  for (std::size_t j = 0; j < n_; ++j) importance[j] = m_.h[j * n_ + j];
  return importance;
}

std::vector<float> RowForm::late_importance() const {
  std::vector<float> importance(n_);
  for (std::size_t j = 0; j < n_; ++j) {
    const float pivot = m_.u[j * n_ + j];
    importance[j] = 1 / (pivot * pivot);
  }
  return importance;
}

void RowForm::take_form(const RowForm& other, std::size_t row) {
  const auto at = static_cast<std::ptrdiff_t>(row * n_);
  std::copy_n(other.q_.begin() + at, n_, q_.begin() + at);
  std::copy_n(other.g_.begin() + at, n_, g_.begin() + at);
}

}  // namespace limbeck
