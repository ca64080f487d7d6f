// Products of bf16 panels with activations rounded to bf16.
#include <bit>
#include <limits>

#include "limbeck/kernels/kernels_test.h"

namespace limbeck {
namespace {

Matrix bf16_matrix(const std::vector<float>& weights, std::size_t columns) {
  Matrix m{TensorType::bf16, weights.size() / columns, columns, {}, {}, {}};
  m.bytes = plain_bytes(TensorType::bf16, weights);
  repack(m);
  return m;
}

// Panels [panel, panel + n_panels) times x; all outputs of the matrix.
std::vector<float> multiply_bf16(const KernelTable& table, const Matrix& m,
                                 const std::vector<float>& x, std::size_t panel,
                                 std::size_t n_panels) {
  const std::size_t n = x.size() / m.columns, stride = (m.columns + 31) / 32 * 32;
  const std::size_t n_tiles = (n + kTileRows - 1) / kTileRows;
  std::vector<float> rows(n * stride), out(n * m.rows, -1);
  std::vector<RoundedTile> tiles((m.columns + 255) / 256 * n_tiles);
  for (std::size_t i = 0; i < n; ++i) {
    table.round_row(x.data() + i * m.columns, m.columns, rows.data() + i * stride);
    table.pack_rounded(rows.data() + i * stride, m.columns, tiles.data() + i / kTileRows, n_tiles,
                       i % kTileRows);
  }
  table.matmul_bf16(m.view(), panel, n_panels, {rows.data(), stride, tiles.data()}, n,
                    {out.data(), m.rows});
  return out;
}
std::vector<float> multiply_bf16(const KernelTable& table, const Matrix& m,
                                 const std::vector<float>& x) {
  return multiply_bf16(table, m, x, 0, (m.rows + 15) / 16);
}

float nearest_bf16(float x) {
  if (std::isinf(x)) return x;
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const float down = std::bit_cast<float>(bits & 0xffff0000u);
  const float up = std::bit_cast<float>((bits & 0xffff0000u) + 0x10000u);
  // Beyond the largest finite value the next one is 2^128, which rounds as a number does.
  const double next = std::isinf(up) ? std::copysign(0x1p128, x) : double{up};
  const double below = std::abs(double{x} - down), above = std::abs(next - x);
  return below < above || (below == above && (bits & 0x10000u) == 0) ? down : up;
}

class Bf16 : public EachTable {};
LIMBECK_EACH_TABLE(Bf16);

TEST_P(Bf16, Bf16GivesTheBitsOfScalarAndTheDotProduct) {
  for (const std::size_t columns : {1u, 31u, 32u, 172u, 576u, 2080u}) {
    for (const std::size_t rows : {1u, 16u, 33u, 64u, 80u}) {
      const Matrix m = bf16_matrix(normals(rows * columns, 1), columns);
      for (const std::size_t n : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 13u}) {
        auto x = normals(n * columns, 2);
        const auto out = multiply_bf16(*GetParam(), m, x);
        ASSERT_TRUE(same_bits(out, multiply_bf16(kScalarKernels, m, x)))
            << rows << 'x' << columns << 'x' << n;
        for (float& value : x) value = nearest_bf16(value);
        expect_products(out, m.weights, x, columns, 4e-6);
      }
    }
  }
}

TEST_P(Bf16, Bf16DoesNotDependOnTheBatch) {
  const std::size_t rows = 85, columns = 1000, n = 13;
  const Matrix m = bf16_matrix(normals(rows * columns, 3), columns);
  const auto x = normals(n * columns, 4);
  const auto together = multiply_bf16(*GetParam(), m, x);
  for (std::size_t i = 0; i < n; ++i) {
    const std::vector<float> one(x.begin() + static_cast<std::ptrdiff_t>(i * columns),
                                 x.begin() + static_cast<std::ptrdiff_t>((i + 1) * columns));
    for (std::size_t p = 0; p < (rows + 15) / 16; ++p) {
      const auto alone = multiply_bf16(*GetParam(), m, one, p, 1);
      const std::size_t first = 16 * p, here = std::min<std::size_t>(16, rows - first);
      EXPECT_EQ(std::memcmp(alone.data() + first, together.data() + i * rows + first, here * 4), 0)
          << i << ' ' << p;
    }
  }
}

// Values as bf16 hold them go through unchanged; the others to their nearest.
TEST_P(Bf16, RowsAreRoundedToBf16) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> x = normals(61, 5, 100);
  const float special[] = {0.0f,      -0.0f,     1.0f,       1 + 0x1p-8f, 1 + 0x3p-8f, -1 - 0x1p-8f,
                           0x1p-126f, kInfinity, -kInfinity, 0x1.fep127f, 3.4e38f,     -3.4e38f};
  x.insert(x.end(), std::begin(special), std::end(special));
  // A weight of 1 in column k and 0 elsewhere takes out the rounded x[k].
  for (std::size_t k = 0; k < x.size(); ++k) {
    std::vector<float> only(x.size(), 0), weights(x.size(), 0);
    only[k] = x[k], weights[k] = 1;
    const Matrix m = bf16_matrix(weights, x.size());
    const auto taken = [&] { return multiply_bf16(*GetParam(), m, only)[0]; };
    EXPECT_EQ(taken(), nearest_bf16(x[k])) << x[k];
    only[k] = k % 2 == 0 ? 0x1p-127f : -0x1.8p-130f;
    EXPECT_EQ(taken(), 0.0f);
    only[k] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_TRUE(std::isnan(taken()));
  }
}

// Where weights, products or sums fall below 2^-126, tables may differ by that much a product.
TEST_P(Bf16, SubnormalProductsOfBf16AreNear) {
  const std::size_t columns = 160, rows = 5;
  for (const double size : {1e-10, 1e-18, 1e-19, 1e-20, 1e-38}) {
    auto weights = normals(rows * columns, 7, size);
    weights[3] = 0x1p-130f;
    const Matrix m = bf16_matrix(weights, columns);
    const auto x = normals(columns, 8, size);
    const auto out = multiply_bf16(*GetParam(), m, x);
    const auto scalar = multiply_bf16(kScalarKernels, m, x);
    for (std::size_t r = 0; r < rows; ++r)
      EXPECT_NEAR(double{out[r]}, scalar[r], 2.0 * columns * 0x1p-126 + 1e-6 * std::abs(scalar[r]));
  }
}

}  // namespace
}  // namespace limbeck
