// What the kernels' tests share: every table this CPU has, against the scalar one bit for bit.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"
#include "limbeck/kernels/kernel_table.h"

namespace limbeck {

class EachTable : public testing::TestWithParam<const KernelTable*> {};

// `suite`, derived from EachTable, once for each table.
#define LIMBECK_EACH_TABLE(suite)                                                  \
  INSTANTIATE_TEST_SUITE_P(EachIsa, suite, testing::ValuesIn(supported_kernels()), \
                           [](const auto& instance) { return std::string(instance.param->name); })

inline std::vector<float> normals(std::size_t n, std::uint64_t seed, double size = 1) {
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

inline void repack(Matrix& m) {
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

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * 4) == 0;
}

inline std::vector<std::byte> plain_bytes(TensorType type, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * info(type).block_bytes);
  encode_row(type, values, bytes);
  return bytes;
}

// Each output is the dot product of a row of weights and one of x, within `tolerance` of the sum of
// the products' sizes.
inline void expect_products(const std::vector<float>& out, const std::vector<float>& weights,
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

// What no model should hold, in every sixteenth place and beside ordinary numbers.
inline std::vector<std::vector<float>> strange_vectors(std::size_t n) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  std::vector<std::vector<float>> all;
  for (const float strange : {kNan, kInfinity, -kInfinity, 1e-40f, -0.0f, 3.4e38f, -3.4e38f}) {
    all.emplace_back(n, strange);
    for (std::size_t at = 0; at < std::min<std::size_t>(n, 19); ++at) {
      all.push_back(normals(n, at, 20));
      for (std::size_t i = at; i < n; i += 17) all.back()[i] = strange;
    }
  }
  return all;
}

// The same bits, or both NaN.
inline bool same_but_nan(const std::vector<float>& a, const std::vector<float>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool both = std::isnan(a[i]) && std::isnan(b[i]);
    if (!both && std::memcmp(&a[i], &b[i], sizeof(float)) != 0) return false;
  }
  return a.size() == b.size();
}

}  // namespace limbeck
