// Loops over one vector: softmax, activations, rounding to binary16.
#include "limbeck/base/f16.h"
#include "limbeck/kernels/kernels_test.h"

namespace limbeck {
namespace {

class VectorLoops : public EachTable {};
LIMBECK_EACH_TABLE(VectorLoops);

TEST_P(VectorLoops, VectorLoopsGiveTheBitsOfScalar) {
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

TEST_P(VectorLoops, StrangeValuesGiveTheBitsOfScalar) {
  const KernelTable &a = *GetParam(), &b = kScalarKernels;
  for (const std::size_t n : {1u, 15u, 16u, 40u, 100u}) {
    for (const auto& x : strange_vectors(n)) {
      const auto compare = [&](const char* what, auto&& apply) {
        auto one = x, other = x;
        apply(a, one);
        apply(b, other);
        EXPECT_TRUE(same_but_nan(one, other)) << what << ' ' << n << ' ' << x[0];
      };
      compare("softmax", [&](const KernelTable& t, auto& v) { t.softmax(v.data(), n); });
      compare("softmax_piece", [&](const KernelTable& t, auto& v) {
        float top = 3, total = 2;
        v.push_back(t.softmax_piece(v.data(), n, top, total));
        v.push_back(top), v.push_back(total);
      });
      compare("silu", [&](const KernelTable& t, auto& v) { t.silu(v.data(), x.data(), n); });
      compare("gelu", [&](const KernelTable& t, auto& v) { t.gelu_tanh(v.data(), nullptr, n); });
      compare("soft_cap", [&](const KernelTable& t, auto& v) { t.soft_cap(v.data(), n, 30.0f); });
      compare("scale", [&](const KernelTable& t, auto& v) { t.scale(v.data(), n, 0.5f); });
      compare("sum_of_squares",
              [&](const KernelTable& t, auto& v) { v[0] = t.sum_of_squares(x.data(), n); });
      compare("to_f16", [&](const KernelTable& t, auto& v) {
        std::vector<std::uint16_t> halves(n);
        t.to_f16(x.data(), n, halves.data());
        for (std::size_t i = 0; i < n; ++i) v[i] = f16_to_float(halves[i]);
      });
    }
  }
}

TEST_P(VectorLoops, ActivationsAreAccurate) {
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

TEST_P(VectorLoops, SoftmaxSumsToOne) {
  auto x = normals(333, 9, 10);
  std::vector<double> expected(x.size());
  double total = 0;
  for (std::size_t i = 0; i < x.size(); ++i) total += expected[i] = std::exp(double{x[i]});
  GetParam()->softmax(x.data(), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], expected[i] / total, 1e-6);
}

// A long row in pieces is the softmax of the whole, and the same bits as scalar.
TEST_P(VectorLoops, SoftmaxInPieces) {
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

TEST_P(VectorLoops, HalvesAreRoundedAsScalarDoes) {
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

}  // namespace
}  // namespace limbeck
