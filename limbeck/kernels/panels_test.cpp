// Products of quantized panels and rounded activations: the scalar table against plain arithmetic
// in double.
#include "limbeck/base/f16.h"
#include "limbeck/kernels/kernels_test.h"

namespace limbeck {
namespace {

constexpr TensorType kPanelTypes[] = {TensorType::q4_0, TensorType::q4_1,   TensorType::q5_0,
                                      TensorType::q5_1, TensorType::q8_0,   TensorType::q2_k,
                                      TensorType::q3_k, TensorType::q4_k,   TensorType::q5_k,
                                      TensorType::q6_k, TensorType::iq4_nl, TensorType::iq4_xs};

Matrix random_matrix(TensorType type, std::size_t rows, std::size_t columns) {
  Matrix m{type, rows, columns, {}, {}, {}};
  const auto values = normals(rows * columns, rows * 31 + columns);
  const std::size_t stride = row_bytes(type, static_cast<std::int64_t>(columns));
  m.bytes.resize(rows * stride);
  for (std::size_t r = 0; r < rows; ++r) {
    encode_row(type, std::span(values).subspan(r * columns, columns),
               std::span(m.bytes).subspan(r * stride, stride));
  }
  repack(m);
  return m;
}

// Any bits in the codes and sub-scales: what a foreign file may hold. Super-scales are finite.
Matrix foreign_matrix(TensorType type, std::size_t rows, std::size_t columns) {
  Matrix m = random_matrix(type, rows, columns);
  const std::vector<std::byte> scales = m.bytes;
  Random random(99);
  for (std::byte& byte : m.bytes) byte = static_cast<std::byte>(random() & 0xff);
  const auto restore = [&](std::size_t offset) {
    const std::size_t block = info(type).block_bytes;
    for (std::size_t b = 0; b < m.bytes.size(); b += block) {
      std::memcpy(m.bytes.data() + b + offset, scales.data() + b + offset, 2);
    }
  };
  switch (type) {
    case TensorType::q2_k:
      restore(80), restore(82);
      break;
    case TensorType::q3_k:
      restore(108);
      break;
    case TensorType::q6_k:
      restore(208);
      break;
    case TensorType::q4_1:
    case TensorType::q5_1:
    case TensorType::q4_k:
    case TensorType::q5_k:
      restore(2);
      [[fallthrough]];
    default:
      restore(0);
  }
  repack(m);
  return m;
}

struct Quantized {
  std::vector<std::int8_t> codes;
  std::vector<float> scales;
  std::vector<std::int32_t> sums;
  std::size_t columns;
  std::vector<TileLine> tiles = {}, pair_tiles = {};
  QuantizedRows view() const {
    return {codes.data(), scales.data(), sums.data(), columns, tiles.data(), pair_tiles.data()};
  }

  // In the form of this table's products of many rows.
  void pack(const KernelTable& table) {
    const std::size_t n = codes.size() / columns;
    tiles.assign(tile_lines(n, columns), TileLine{});
    pair_tiles = tiles;
    for (std::size_t i = 0; i < n; ++i) {
      const QuantizedRows row{codes.data() + i * columns, scales.data() + i * columns / 32,
                              sums.data() + i * columns / 16, columns};
      table.pack_row(row, tiles.data(), n, i);
      if (table.pack_pairs) table.pack_pairs(row, pair_tiles.data(), n, i);
    }
  }
};

Quantized quantize(const KernelTable& table, const std::vector<float>& x, std::size_t columns) {
  const std::size_t n = x.size() / columns;
  Quantized q{std::vector<std::int8_t>(x.size()),
              std::vector<float>(x.size() / 32),
              std::vector<std::int32_t>(x.size() / 16),
              columns,
              {}};
  for (std::size_t i = 0; i < n; ++i) {
    table.quantize_row(x.data() + i * columns, columns, q.codes.data() + i * columns,
                       q.scales.data() + i * columns / 32, q.sums.data() + i * columns / 16);
  }
  return q;
}

std::vector<float> multiply(const KernelTable& table, const Matrix& m, Quantized x, std::size_t n) {
  x.pack(table);
  std::vector<float> out(n * m.rows, -1);
  table.matmul_panels(m.view(), 0, (m.rows + 15) / 16, x.view(), n, {out.data(), m.rows});
  return out;
}

TEST(ScalarPanels, PanelsAreTheDotProduct) {
  for (const TensorType type : kPanelTypes) {
    for (const bool foreign : {false, true}) {
      const std::size_t rows = 21, columns = 512, n = 3;
      const Matrix m =
          foreign ? foreign_matrix(type, rows, columns) : random_matrix(type, rows, columns);
      const Quantized x = quantize(kScalarKernels, normals(n * columns, 5), columns);
      const auto out = multiply(kScalarKernels, m, x, n);
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t r = 0; r < rows; ++r) {
          double sum = 0, size = 0;
          for (std::size_t k = 0; k < columns; ++k) {
            const double product = double{m.weights[r * columns + k]} * x.codes[i * columns + k] *
                                   double{x.scales[(i * columns + k) / 32]};
            sum += product;
            size += std::abs(product);
          }
          // Types with a minimum subtract two large numbers: twice the size of the terms.
          EXPECT_NEAR(out[i * rows + r], sum, 4e-6 * size + 1e-6)
              << info(type).name << " row " << r << " column " << i;
        }
      }
    }
  }
}

TEST(ScalarPanels, QuantizedRowsAreNear) {
  const std::size_t columns = 320;
  auto x = normals(2 * columns, 8, 3);
  std::fill(x.begin() + 64, x.begin() + 96, 0.0f);
  x[100] = -1e4f;
  const Quantized q = quantize(kScalarKernels, x, columns);
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_LE(std::abs(q.codes[i]), 127);
    EXPECT_NEAR(q.scales[i / 32] * static_cast<float>(q.codes[i]), x[i],
                0.5001f * q.scales[i / 32] + 1e-12f);
  }
  for (std::size_t g = 0; g < q.sums.size(); ++g) {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < 16; ++i) sum += q.codes[16 * g + i];
    EXPECT_EQ(q.sums[g], sum);
  }
}

class Panels : public EachTable {};
LIMBECK_EACH_TABLE(Panels);

TEST_P(Panels, QuantizeAsScalarDoes) {
  for (const std::size_t columns : {std::size_t{0}, std::size_t{32}, std::size_t{96 * 32}}) {
    for (const double size : {1e-30, 1.0, 1e30}) {
      auto x = normals(columns, 3, size);
      for (std::size_t i = 0; i < columns; i += 7) x[i] = 0;
      const Quantized a = quantize(*GetParam(), x, std::max<std::size_t>(columns, 1));
      const Quantized b = quantize(kScalarKernels, x, std::max<std::size_t>(columns, 1));
      EXPECT_EQ(a.codes, b.codes);
      EXPECT_EQ(a.sums, b.sums);
      EXPECT_TRUE(same_bits(a.scales, b.scales));
    }
  }
}

TEST_P(Panels, StrangeActivationsGiveTheBitsOfScalar) {
  const std::size_t columns = 256;
  for (const auto& x : strange_vectors(columns)) {
    const Quantized a = quantize(*GetParam(), x, columns);
    const Quantized b = quantize(kScalarKernels, x, columns);
    EXPECT_EQ(a.codes, b.codes) << x[0];
    EXPECT_EQ(a.sums, b.sums) << x[0];
    EXPECT_TRUE(same_but_nan(a.scales, b.scales)) << x[0];
    for (const std::int8_t code : b.codes) EXPECT_GE(code, -127);
    for (const TensorType type : {TensorType::q8_0, TensorType::q4_0, TensorType::q4_k}) {
      const Matrix m = random_matrix(type, 16, columns);
      EXPECT_TRUE(same_but_nan(multiply(*GetParam(), m, a, 1), multiply(kScalarKernels, m, b, 1)))
          << info(type).name << ' ' << x[0];
    }
  }
}

TEST_P(Panels, PanelsGiveTheBitsOfScalar) {
  for (const TensorType type : kPanelTypes) {
    const bool super = info(type).block_weights == 256;
    for (const std::size_t columns : {super ? 256u : 32u, super ? 768u : 800u}) {
      for (const std::size_t rows : {1u, 16u, 33u, 64u}) {
        const Matrix m = foreign_matrix(type, rows, columns);
        for (const std::size_t n : {1u, 2u, 3u, 4u, 5u, 6u, 9u, 22u}) {
          const Quantized x = quantize(kScalarKernels, normals(n * columns, n), columns);
          EXPECT_TRUE(same_bits(multiply(*GetParam(), m, x, n), multiply(kScalarKernels, m, x, n)))
              << info(type).name << ' ' << rows << 'x' << columns << 'x' << n;
        }
      }
    }
  }
}

// More rows than a table holds the sums of at a time.
TEST_P(Panels, ManyRowsGiveTheBitsOfScalar) {
  const std::size_t columns = 512, n = 601;
  const auto x = quantize(kScalarKernels, normals(n * columns, 6), columns);
  for (const TensorType type : {TensorType::q4_k, TensorType::q6_k}) {
    const Matrix m = random_matrix(type, 20, columns);
    EXPECT_TRUE(same_bits(multiply(*GetParam(), m, x, n), multiply(kScalarKernels, m, x, n)))
        << info(type).name;
  }
}

// A row of activations gives the same bits alone and among others, and so do single panels.
TEST_P(Panels, PanelsDoNotDependOnTheBatch) {
  for (const TensorType type : kPanelTypes) {
    const std::size_t rows = 48, columns = 1024, n = 13;
    const Matrix m = random_matrix(type, rows, columns);
    const auto x = normals(n * columns, 2);
    const auto together = multiply(*GetParam(), m, quantize(*GetParam(), x, columns), n);
    for (std::size_t i = 0; i < n; ++i) {
      const std::vector<float> one(x.begin() + static_cast<std::ptrdiff_t>(i * columns),
                                   x.begin() + static_cast<std::ptrdiff_t>((i + 1) * columns));
      const Quantized q = quantize(*GetParam(), one, columns);
      std::vector<float> alone(rows);
      for (std::size_t p = 0; p < rows / 16; ++p) {
        GetParam()->matmul_panels(m.view(), p, 1, q.view(), 1, {alone.data(), rows});
      }
      EXPECT_EQ(std::memcmp(alone.data(), together.data() + i * rows, rows * 4), 0)
          << info(type).name << " column " << i;
    }
  }
}

// The largest codes of both signs: no intermediate may saturate.
TEST_P(Panels, PanelsTakeTheExtremes) {
  const std::size_t columns = 64;
  Matrix m{TensorType::q8_0, 4, columns, std::vector<std::byte>(4 * 68), {}, {}};
  const std::int8_t extremes[4] = {127, -127, -128, 1};
  for (std::size_t r = 0; r < 4; ++r) {
    for (std::size_t b = 0; b < 2; ++b) {
      std::byte* block = m.bytes.data() + r * 68 + b * 34;
      const std::uint16_t one = float_to_f16(1);
      std::memcpy(block, &one, 2);
      std::memset(block + 2, extremes[r], 32);
    }
  }
  repack(m);
  for (const float sign : {1.0f, -1.0f}) {
    const Quantized x = quantize(*GetParam(), std::vector<float>(columns, sign * 127), columns);
    const auto out = multiply(*GetParam(), m, x, 1);
    for (std::size_t r = 0; r < 4; ++r) {
      EXPECT_EQ(out[r], sign * 127.0f * 64.0f * static_cast<float>(extremes[r]));
    }
  }
}

}  // namespace
}  // namespace limbeck
