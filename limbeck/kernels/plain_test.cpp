// Products with rows of f32 and f16 as they are.
#include "limbeck/kernels/kernels_test.h"

namespace limbeck {
namespace {

std::vector<float> multiply_plain(const KernelTable& table, const PlainRows& rows,
                                  std::size_t n_rows, const std::vector<float>& x) {
  std::vector<float> out(x.size() / rows.columns * n_rows, -1);
  table.matmul_plain(rows, n_rows, x.data(), rows.columns, x.size() / rows.columns,
                     {out.data(), n_rows});
  return out;
}

class PlainKernels : public EachTable {};
LIMBECK_EACH_TABLE(PlainKernels);

TEST_P(PlainKernels, PlainRowsGiveTheBitsOfScalarAndTheDotProduct) {
  for (const TensorType type : {TensorType::f32, TensorType::f16}) {
    for (const std::size_t columns : {1u, 15u, 16u, 172u, 576u, 2080u}) {
      for (const std::size_t rows : {1u, 3u, 9u, 70u}) {
        if (columns > 1000 && rows > 9) continue;
        const auto w = plain_bytes(type, normals(rows * columns, 1));
        std::vector<float> weights(rows * columns);
        decode_row(type, w, weights);
        const PlainRows view{type, w.data(), columns, w.size() / rows};
        for (const std::size_t n : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 12u}) {
          const auto x = normals(n * columns, 2);
          const auto out = multiply_plain(*GetParam(), view, rows, x);
          ASSERT_TRUE(same_bits(out, multiply_plain(kScalarKernels, view, rows, x)))
              << info(type).name << ' ' << rows << 'x' << columns << 'x' << n;
          expect_products(out, weights, x, columns, 1e-6);
        }
      }
    }
  }
}

TEST_P(PlainKernels, StrangeActivationsGiveTheBitsOfScalar) {
  const std::size_t rows = 5, columns = 40;
  for (const TensorType type : {TensorType::f32, TensorType::f16}) {
    const auto w = plain_bytes(type, normals(rows * columns, 1));
    const PlainRows view{type, w.data(), columns, w.size() / rows};
    for (const auto& x : strange_vectors(columns))
      EXPECT_TRUE(same_but_nan(multiply_plain(*GetParam(), view, rows, x),
                               multiply_plain(kScalarKernels, view, rows, x)))
          << info(type).name << ' ' << x[0];
  }
}

// Alone, in any batch and in any cut of the rows.
TEST_P(PlainKernels, PlainRowsDoNotDependOnTheBatch) {
  for (const TensorType type : {TensorType::f32, TensorType::f16}) {
    const std::size_t rows = 75, columns = 2500, n = 13;
    const auto w = plain_bytes(type, normals(rows * columns, 3));
    const std::size_t stride = w.size() / rows;
    const auto x = normals(n * columns, 4);
    const auto together = multiply_plain(*GetParam(), {type, w.data(), columns, stride}, rows, x);
    for (std::size_t i = 0; i < n; ++i) {
      const std::vector<float> one(x.begin() + static_cast<std::ptrdiff_t>(i * columns),
                                   x.begin() + static_cast<std::ptrdiff_t>((i + 1) * columns));
      for (std::size_t r = 0; r < rows; r += 25) {
        const PlainRows part{type, w.data() + r * stride, columns, stride};
        const auto alone = multiply_plain(*GetParam(), part, 25, one);
        EXPECT_EQ(std::memcmp(alone.data(), together.data() + i * rows + r, 25 * 4), 0)
            << info(type).name << ' ' << i << ' ' << r;
      }
    }
  }
}

TEST_P(PlainKernels, WeightedSumGivesTheBitsOfScalarAndTheSum) {
  for (const TensorType type : {TensorType::f32, TensorType::f16}) {
    for (const std::size_t columns : {1u, 16u, 40u, 64u, 128u, 200u}) {
      for (const std::size_t n : {1u, 3u, 5u, 7u, 13u}) {
        for (const bool add : {false, true}) {
          const std::size_t n_values = 19, stride = 23;
          const auto weights = normals(n * stride, 1);
          const auto bytes = plain_bytes(type, normals(n_values * columns, 2));
          std::vector<float> values(n_values * columns);
          decode_row(type, bytes, values);
          const PlainRows view{type, bytes.data(), columns, bytes.size() / n_values};
          std::vector<float> out(n * columns, 1), scalar(n * columns, 1);
          GetParam()->weighted_sum(weights.data(), stride, n, view, n_values, {out.data(), columns},
                                   add);
          kScalarKernels.weighted_sum(weights.data(), stride, n, view, n_values,
                                      {scalar.data(), columns}, add);
          ASSERT_TRUE(same_bits(out, scalar)) << columns << ' ' << n;
          for (std::size_t i = 0; i < n * columns; ++i) {
            double sum = add;
            for (std::size_t j = 0; j < n_values; ++j) {
              sum += double{weights[i / columns * stride + j]} * values[j * columns + i % columns];
            }
            EXPECT_NEAR(out[i], sum, 1e-5);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace limbeck
