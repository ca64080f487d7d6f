#include "limbeck/quantize/hessian.h"

#include <algorithm>
#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/quantize/dense.h"

namespace limbeck {
namespace {

constexpr std::size_t kRowsPerPiece = 32;

}  // namespace

void Hessian::add(std::span<const float> x, ThreadPool& pool) {
  const std::size_t depth = x.size() / n;
  pool.run_ranges(n, kRowsPerPiece, [&](std::size_t begin, std::size_t end) {
    const Product product{x.data() + begin, 1, n, x.data(), n, depth};
    add_product(product, moments.data() + begin * n, n, end - begin, begin, n);  // upper part
  });
  count += static_cast<double>(depth);
}

void Hessian::finish() {
  const auto scale = static_cast<float>(1 / std::max(1.0, count));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i; j < n; ++j) {
      moments[i * n + j] *= scale;
      moments[j * n + i] = moments[i * n + j];
    }
  }
}

std::vector<float> Hessian::diagonal() const {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = moments[i * n + i];
  return values;
}

SolverMatrices solver_matrices(const Hessian& hessian, double damping, const std::string& name,
                               ThreadPool& pool) {
  const std::size_t n = hessian.n;
  double mean = 0;
  for (const float value : hessian.diagonal()) mean += double{value} / static_cast<double>(n);
  if (!(mean > 0)) mean = 1;  // nothing ever came in: every error is as good as another
  for (double factor = damping; factor < 1e3; factor *= 10) {
    SolverMatrices matrices{n, hessian.moments, {}, factor};
    for (std::size_t i = 0; i < n; ++i) {
      matrices.h[i * n + i] += static_cast<float>(factor * mean);
    }
    matrices.u = inverse_factor(matrices.h, n, pool);
    if (!matrices.u.empty()) return matrices;
  }
  fail(ErrorKind::numeric, "the second moments of the inputs of '{}' have no inverse", name);
}

}  // namespace limbeck
