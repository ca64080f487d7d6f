#include "limbeck/quantize/dense.h"

#include <algorithm>
#include <cmath>

#include "limbeck/quantize/wide.h"

namespace limbeck {
namespace {

template <typename T>
inline __attribute__((always_inline)) T lane_dot(const T* x, const T* y, std::size_t n) {
  T lanes[16] = {};
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (std::size_t k = 0; k < 16; ++k) lanes[k] += x[i + k] * y[i + k];
  }
  for (std::size_t k = 0; i + k < n; ++k) lanes[k] += x[i + k] * y[i + k];
  for (std::size_t width = 8; width > 0; width /= 2) {
    for (std::size_t k = 0; k < width; ++k) lanes[k] += lanes[k + width];
  }
  return lanes[0];
}

// `R` rows of the product over one tile of `T` columns, its sums in registers.
template <std::size_t R, std::size_t T>
inline __attribute__((always_inline)) void tile_product(const Product& product, std::size_t row,
                                                        std::size_t k, float* c,
                                                        std::size_t c_stride) {
  float sums[R][T] = {};
  const float* a = product.a + row * product.a_row;
  const float* b = product.b + k;
  for (std::size_t j = 0; j < product.depth; ++j) {
    for (std::size_t r = 0; r < R; ++r) {
      const float factor = a[r * product.a_row + j * product.a_column];
      for (std::size_t t = 0; t < T; ++t) sums[r][t] += factor * b[t];
    }
    b += product.b_stride;
  }
  for (std::size_t r = 0; r < R; ++r) {
    float* out = c + (row + r) * c_stride + k;
    for (std::size_t t = 0; t < T; ++t) out[t] += sums[r][t];
  }
}

// Tiles of `T` columns from `k` on, `R` rows at a time; returns the first column that is left.
template <std::size_t R, std::size_t T>
inline __attribute__((always_inline)) std::size_t tiles(const Product& product, std::size_t k,
                                                        float* c, std::size_t c_stride,
                                                        std::size_t rows, std::size_t end) {
  for (; k + T <= end; k += T) {
    std::size_t i = 0;
    for (; i + R <= rows; i += R) tile_product<R, T>(product, i, k, c, c_stride);
    for (; i < rows; ++i) tile_product<1, T>(product, i, k, c, c_stride);
  }
  return k;
}

}  // namespace

LIMBECK_WIDE void add_product(const Product& product, float* c, std::size_t c_stride,
                              std::size_t rows, std::size_t begin, std::size_t end) noexcept {
  std::size_t k = tiles<4, 64>(product, begin, c, c_stride, rows, end);
  k = tiles<8, 16>(product, k, c, c_stride, rows, end);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t t = k; t < end; ++t) {
      float sum = 0;
      for (std::size_t j = 0; j < product.depth; ++j) {
        sum += product.a[i * product.a_row + j * product.a_column] *
               product.b[j * product.b_stride + t];
      }
      c[i * c_stride + t] += sum;
    }
  }
}

LIMBECK_WIDE void add_scaled(float a, const float* x, float* y, std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; ++i) y[i] += a * x[i];
}
LIMBECK_WIDE void add_scaled(double a, const double* x, double* y, std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; ++i) y[i] += a * x[i];
}
LIMBECK_WIDE double dot(const double* x, const double* y, std::size_t n) noexcept {
  return lane_dot(x, y, n);
}
LIMBECK_WIDE float dot(const float* x, const float* y, std::size_t n) noexcept {
  return lane_dot(x, y, n);
}

std::vector<float> inverse_factor(std::span<const float> a, std::size_t n, ThreadPool& pool) {
  // R upper triangular with R R^T = A, from the last column up; then U = R^-1, as
  // A^-1 = R^-T R^-1.
  std::vector<double> r(n * n);
  for (std::size_t j = n; j-- > 0;) {
    const std::size_t tail = j + 1;
    const double* row = r.data() + j * n;
    const double pivot = double{a[j * n + j]} - dot(row + tail, row + tail, n - tail);
    if (!(pivot > 0) || !std::isfinite(pivot)) return {};
    const double root = std::sqrt(pivot);
    const auto solve = [&](std::size_t i) {
      r[i * n + j] =
          (double{a[i * n + j]} - dot(r.data() + i * n + tail, row + tail, n - tail)) / root;
    };
    if (j * (n - j) < 1u << 16) {  // too little work to share
      for (std::size_t i = 0; i < j; ++i) solve(i);
    } else {
      pool.run_ranges(j, 64, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) solve(i);
      });
    }
    r[j * n + j] = root;
  }
  std::vector<float> u(n * n);
  pool.run(n, [&](std::size_t i) {
    std::vector<double> rest(n);
    rest[i] = 1;
    for (std::size_t k = i; k < n; ++k) {
      const double value = rest[k] / r[k * n + k];
      u[i * n + k] = static_cast<float>(value);
      add_scaled(-value, r.data() + k * n + k + 1, rest.data() + k + 1, n - k - 1);
    }
  });
  return u;
}

}  // namespace limbeck
