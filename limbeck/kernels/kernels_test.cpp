// Every instruction set of this CPU: the scalar table against plain arithmetic in double, the
// others bit for bit against the scalar table.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "limbeck/base/f16.h"
#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"
#include "limbeck/kernels/kernel_table.h"

namespace limbeck {
namespace {

constexpr TensorType kPanelTypes[] = {TensorType::q4_0, TensorType::q4_1,   TensorType::q5_0,
                                      TensorType::q5_1, TensorType::q8_0,   TensorType::q2_k,
                                      TensorType::q3_k, TensorType::q4_k,   TensorType::q5_k,
                                      TensorType::q6_k, TensorType::iq4_nl, TensorType::iq4_xs};

std::vector<float> normals(std::size_t n, std::uint64_t seed, double size = 1) {
  Random random(seed);
  std::vector<float> out(n);
  for (float& value : out) value = static_cast<float>(size * random.normal());
  return out;
}

// A quantized matrix, its panels and its decoded weights.
struct Matrix {
  TensorType type;
  std::size_t rows, columns;
  std::vector<std::byte> bytes;
  std::vector<std::uint8_t> panels;
  std::vector<float> weights;

  PanelMatrix view() const {
    return {type, rows, columns, panel_bytes(*panel_layout(type), columns), panels.data()};
  }
};

void repack(Matrix& m) {
  const PanelLayout& layout = *panel_layout(m.type);
  const std::size_t size = panel_bytes(layout, m.columns), stride = m.bytes.size() / m.rows;
  m.panels.assign((m.rows + 15) / 16 * size, 0);
  for (std::size_t r = 0; r < m.rows; r += 16) {
    const std::size_t n = std::min<std::size_t>(16, m.rows - r);
    pack_panel(layout, std::span(m.bytes).subspan(r * stride, n * stride), n, m.columns,
               std::span(m.panels).subspan(r / 16 * size, size));
  }
  m.weights.resize(m.rows * m.columns);
  for (std::size_t r = 0; r < m.rows; ++r) {
    decode_row(m.type, std::span(m.bytes).subspan(r * stride, stride),
               std::span(m.weights).subspan(r * m.columns, m.columns));
  }
}

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
  std::vector<ActivationTile> tiles = {};
  QuantizedRows view() const {
    return {codes.data(), scales.data(), sums.data(), columns, tiles.data()};
  }

  // In the form of this table's products of many rows.
  void pack(const KernelTable& table) {
    const std::size_t n = codes.size() / columns, n_tiles = (n + kTileRows - 1) / kTileRows;
    tiles.assign((columns + 255) / 256 * n_tiles, ActivationTile{});
    for (std::size_t i = 0; i < n; ++i) {
      const QuantizedRows row{codes.data() + i * columns, scales.data() + i * columns / 32,
                              sums.data() + i * columns / 16, columns};
      table.pack_row(row, tiles.data() + i / kTileRows, n_tiles, i % kTileRows);
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

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * 4) == 0;
}

class Kernels : public testing::TestWithParam<const KernelTable*> {};

TEST(ScalarKernels, PanelsAreTheDotProduct) {
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

TEST(ScalarKernels, QuantizedRowsAreNear) {
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

TEST_P(Kernels, QuantizeAsScalarDoes) {
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

TEST_P(Kernels, PanelsGiveTheBitsOfScalar) {
  for (const TensorType type : kPanelTypes) {
    const bool super = info(type).block_weights == 256;
    for (const std::size_t columns : {super ? 256u : 32u, super ? 768u : 800u}) {
      for (const std::size_t rows : {1u, 16u, 33u, 64u}) {
        const Matrix m = foreign_matrix(type, rows, columns);
        for (const std::size_t n : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 13u}) {
          const Quantized x = quantize(kScalarKernels, normals(n * columns, n), columns);
          EXPECT_TRUE(same_bits(multiply(*GetParam(), m, x, n), multiply(kScalarKernels, m, x, n)))
              << info(type).name << ' ' << rows << 'x' << columns << 'x' << n;
        }
      }
    }
  }
}

// A row of activations gives the same bits alone and among others, and so do single panels.
TEST_P(Kernels, PanelsDoNotDependOnTheBatch) {
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
TEST_P(Kernels, PanelsTakeTheExtremes) {
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

std::vector<std::byte> plain_bytes(TensorType type, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * info(type).block_bytes);
  encode_row(type, values, bytes);
  return bytes;
}

std::vector<float> multiply_plain(const KernelTable& table, const PlainRows& rows,
                                  std::size_t n_rows, const std::vector<float>& x) {
  std::vector<float> out(x.size() / rows.columns * n_rows, -1);
  table.matmul_plain(rows, n_rows, x.data(), rows.columns, x.size() / rows.columns,
                     {out.data(), n_rows});
  return out;
}

// Each output is the dot product of a row of weights and one of x, within `tolerance` of the sum of
// the products' sizes.
void expect_products(const std::vector<float>& out, const std::vector<float>& weights,
                     const std::vector<float>& x, std::size_t columns, double tolerance) {
  const std::size_t rows = weights.size() / columns;
  for (std::size_t i = 0; i < out.size(); ++i) {
    double sum = 0, size = 0;
    for (std::size_t k = 0; k < columns; ++k) {
      const double product = double{weights[i % rows * columns + k]} * x[i / rows * columns + k];
      sum += product;
      size += std::abs(product);
    }
    EXPECT_NEAR(out[i], sum, tolerance * size);
  }
}

TEST_P(Kernels, PlainRowsGiveTheBitsOfScalarAndTheDotProduct) {
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

// Alone, in any batch and in any cut of the rows.
TEST_P(Kernels, PlainRowsDoNotDependOnTheBatch) {
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

TEST_P(Kernels, Bf16GivesTheBitsOfScalarAndTheDotProduct) {
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

TEST_P(Kernels, Bf16DoesNotDependOnTheBatch) {
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
TEST_P(Kernels, RowsAreRoundedToBf16) {
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
TEST_P(Kernels, SubnormalProductsOfBf16AreNear) {
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

TEST_P(Kernels, VectorLoopsGiveTheBitsOfScalar) {
  const KernelTable &a = *GetParam(), &b = kScalarKernels;
  for (const std::size_t n : {0u, 1u, 15u, 16u, 17u, 100u}) {
    const auto x = normals(n, 4, 20), up = normals(n, 6);
    const auto compare = [&](auto&& apply) {
      auto one = x, other = x;
      apply(a, one);
      apply(b, other);
      EXPECT_TRUE(same_bits(one, other)) << n;
    };
    compare([&](const KernelTable& t, auto& v) { t.softmax(v.data(), n); });
    compare([&](const KernelTable& t, auto& v) { t.silu(v.data(), up.data(), n); });
    compare([&](const KernelTable& t, auto& v) { t.silu(v.data(), nullptr, n); });
    compare([&](const KernelTable& t, auto& v) { t.gelu_tanh(v.data(), up.data(), n); });
    compare([&](const KernelTable& t, auto& v) { t.soft_cap(v.data(), n, 30.0f); });
    EXPECT_EQ(a.sum_of_squares(x.data(), n), b.sum_of_squares(x.data(), n));
  }
}

TEST_P(Kernels, ActivationsAreAccurate) {
  std::vector<float> x;
  for (double v = -100; v <= 100; v += 0.037) x.push_back(static_cast<float>(v));
  auto silu = x, gelu = x, capped = x;
  GetParam()->silu(silu.data(), nullptr, x.size());
  GetParam()->gelu_tanh(gelu.data(), nullptr, x.size());
  GetParam()->soft_cap(capped.data(), x.size(), 5);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = x[i], tolerance = 1e-6 * (1 + std::abs(v));
    EXPECT_NEAR(silu[i], v / (1 + std::exp(-v)), tolerance);
    const double inner = std::sqrt(2 / 3.14159265358979) * (v + 0.044715 * v * v * v);
    EXPECT_NEAR(gelu[i], 0.5 * v * (1 + std::tanh(inner)), tolerance);
    EXPECT_NEAR(capped[i], 5 * std::tanh(v / 5), 5e-6);
  }
}

TEST_P(Kernels, SoftmaxSumsToOne) {
  auto x = normals(333, 9, 10);
  std::vector<double> expected(x.size());
  double total = 0;
  for (std::size_t i = 0; i < x.size(); ++i) total += expected[i] = std::exp(double{x[i]});
  GetParam()->softmax(x.data(), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], expected[i] / total, 1e-6);
}

// A long row in pieces is the softmax of the whole, and the same bits as scalar.
TEST_P(Kernels, SoftmaxInPieces) {
  for (const std::size_t n : {1u, 15u, 16u, 100u, 600u}) {
    for (const std::size_t piece : {1u, 13u, 64u, 256u}) {
      const auto x = normals(n, 9 * n, 10);
      const auto all = [&](const KernelTable& table) {
        auto values = x;
        float top = 0, total = 0;
        for (std::size_t i = 0; i < n; i += piece) {
          const std::size_t here = std::min(piece, n - i);
          const float factor = table.softmax_piece(values.data() + i, here, top, total);
          table.scale(values.data(), i, factor);
        }
        table.scale(values.data(), n, 1 / total);
        return values;
      };
      const auto found = all(*GetParam());
      EXPECT_TRUE(same_bits(found, all(kScalarKernels)));
      auto expected = x;
      GetParam()->softmax(expected.data(), n);
      for (std::size_t i = 0; i < n; ++i) EXPECT_NEAR(found[i], expected[i], 1e-6) << n;
    }
  }
  float top = 3, total = 2;
  EXPECT_EQ(GetParam()->softmax_piece(nullptr, 0, top, total), 1);
  EXPECT_EQ(top, 3);
  EXPECT_EQ(total, 2);
}

TEST_P(Kernels, HalvesAreRoundedAsScalarDoes) {
  auto x = normals(1000, 12, 1);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] *= std::ldexp(1.0f, static_cast<int>(i % 48) - 30);
  x[3] = 1e6f, x[5] = -0.0f;
  for (const std::size_t n : {0u, 1u, 16u, 17u, 1000u}) {
    std::vector<std::uint16_t> out(n, 7);
    GetParam()->to_f16(x.data(), n, out.data());
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], float_to_f16(x[i])) << x[i];
  }
}

TEST_P(Kernels, WeightedSumGivesTheBitsOfScalarAndTheSum) {
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

INSTANTIATE_TEST_SUITE_P(EachIsa, Kernels, testing::ValuesIn(supported_kernels()),
                         [](const auto& instance) { return std::string(instance.param->name); });

}  // namespace
}  // namespace limbeck
