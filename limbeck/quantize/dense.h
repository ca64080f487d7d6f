// The few dense loops of the solver. Each output is one fixed sequence of operations (no FMA, sums
// in a fixed order), so results depend neither on the instruction set nor on the threads.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "limbeck/base/thread_pool.h"

namespace limbeck {

// c[i][k] += sum over j < depth of a(i, j) b[j][k], for i < rows and k in [begin, end). a(i, j)
// lies at a[i * a_row + j * a_column]. Sums run over j in order, then are added to c.
struct Product {
  const float* a = nullptr;
  std::size_t a_row = 0, a_column = 0;
  const float* b = nullptr;
  std::size_t b_stride = 0;
  std::size_t depth = 0;
};
void add_product(const Product& product, float* c, std::size_t c_stride, std::size_t rows,
                 std::size_t begin, std::size_t end) noexcept;

// y += a x.
void add_scaled(float a, const float* x, float* y, std::size_t n) noexcept;
void add_scaled(double a, const double* x, double* y, std::size_t n) noexcept;
// In sixteen partial sums.
double dot(const double* x, const double* y, std::size_t n) noexcept;
float dot(const float* x, const float* y, std::size_t n) noexcept;

// U upper triangular with U^T U = A^-1, A symmetric [n, n]. Empty if A is not positive definite.
std::vector<float> inverse_factor(std::span<const float> a, std::size_t n, ThreadPool& pool);

}  // namespace limbeck
