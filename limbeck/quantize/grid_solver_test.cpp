#include "limbeck/quantize/grid_solver.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cmath>

#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"
#include "limbeck/quantize/dense.h"

namespace limbeck {
namespace {

std::vector<float> normal_values(std::size_t n, std::uint64_t seed, double scale) {
  Random random(seed);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(scale * random.normal());
  return values;
}

// Correlated inputs: each column is part of the one before, with a few loud columns.
Hessian sample_hessian(std::size_t n, std::size_t count, ThreadPool& pool) {
  Random random(11);
  std::vector<float> x(n * count);
  for (std::size_t t = 0; t < count; ++t) {
    double previous = 0;
    for (std::size_t j = 0; j < n; ++j) {
      previous = 0.9 * previous + 0.44 * random.normal();
      x[t * n + j] = static_cast<float>(previous * (j % 50 == 7 ? 6 : 1));
    }
  }
  Hessian hessian(n);
  hessian.add(x, pool);
  hessian.finish();
  return hessian;
}

double exact_loss(const std::vector<float>& w, TensorType type, std::span<const std::byte> bytes,
                  const SolverMatrices& m) {
  const std::size_t n = m.n, rows = w.size() / n;
  const std::size_t size = row_bytes(type, static_cast<std::int64_t>(n));
  std::vector<float> q(n);
  double sum = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    decode_row(type, bytes.subspan(r * size, size), q);
    for (std::size_t i = 0; i < n; ++i) {
      double hi = 0;
      for (std::size_t j = 0; j < n; ++j) {
        hi += double{m.h[i * n + j]} * (double{q[j]} - double{w[r * n + j]});
      }
      sum += (double{q[i]} - double{w[r * n + i]}) * hi;
    }
  }
  return sum;
}

TEST(Dense, InverseFactorInverts) {
  ThreadPool pool(2);
  constexpr std::size_t n = 96;
  const SolverMatrices m = solver_matrices(sample_hessian(n, 500, pool), 0.01, "w", pool);
  for (std::size_t i = 0; i < n; i += 7) {  // (U^T U) H = 1
    std::vector<double> row(n);
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t k = 0; k <= std::min(i, j); ++k) {
        row[j] += double{m.u[k * n + i]} * double{m.u[k * n + j]};
      }
    }
    for (std::size_t j = 0; j < n; ++j) {
      double product = 0;
      for (std::size_t k = 0; k < n; ++k) product += row[k] * double{m.h[k * n + j]};
      EXPECT_NEAR(product, i == j ? 1.0 : 0.0, 2e-4);
    }
  }
}

TEST(Dense, RefusesWhatIsNotPositiveDefinite) {
  ThreadPool pool(1);
  EXPECT_TRUE(inverse_factor(std::vector<float>{1, 2, 2, 1}, 2, pool).empty());
}

TEST(Dense, HessianIsTheMeanOfOuterProducts) {
  ThreadPool pool(2);
  const std::vector<float> x = normal_values(40 * 70, 5, 1);
  Hessian hessian(70);
  hessian.add(std::span(x).first(10 * 70), pool);
  hessian.add(std::span(x).subspan(10 * 70), pool);
  hessian.finish();
  EXPECT_EQ(hessian.count, 40);
  for (std::size_t i = 0; i < 70; i += 9) {
    for (std::size_t j = 0; j < 70; ++j) {
      double sum = 0;
      for (std::size_t t = 0; t < 40; ++t) sum += double{x[t * 70 + i]} * double{x[t * 70 + j]};
      EXPECT_NEAR(hessian.moments[i * 70 + j], sum / 40, 1e-5);
    }
  }
}

class Solver : public testing::TestWithParam<TensorType> {};

TEST_P(Solver, BeatsImportanceRoundingAndReportsItsTrueLoss) {
  ThreadPool pool(2);
  constexpr std::size_t n = 512, rows = 24;
  const SolverMatrices m = solver_matrices(sample_hessian(n, 4000, pool), 0.01, "w", pool);
  const std::vector<float> w = normal_values(rows * n, 3, 0.03);
  const std::size_t size = row_bytes(GetParam(), n);
  std::vector<std::byte> plain(rows * size), solved(rows * size);
  std::vector<float> importance(n);
  for (std::size_t j = 0; j < n; ++j) importance[j] = m.h[j * n + j];
  for (std::size_t r = 0; r < rows; ++r) {
    encode_row(GetParam(), std::span(w).subspan(r * n, n), std::span(plain).subspan(r * size, size),
               importance);
  }
  const double reported = solve_rows(GetParam(), m, {}, w, solved, pool);
  const double before = exact_loss(w, GetParam(), plain, m);
  const double after = exact_loss(w, GetParam(), solved, m);
  EXPECT_NEAR(reported, after, 1e-3 * after);
  EXPECT_LT(after, 0.6 * before);
  RecordProperty("ratio", std::to_string(after / before));
}

TEST_P(Solver, GivesTheSameBytesForEveryNumberOfThreads) {
  ThreadPool one(1), three(3);
  const SolverMatrices m = solver_matrices(sample_hessian(256, 600, one), 0.01, "w", one);
  const std::vector<float> w = normal_values(40 * 256, 3, 0.03);
  std::vector<std::byte> a(40 * row_bytes(GetParam(), 256)), b(a.size());
  solve_rows(GetParam(), m, {}, w, a, one);
  solve_rows(GetParam(), m, {}, w, b, three);
  EXPECT_EQ(a, b);
}

// Whole numbers in, so that no library function has a say: whoever computes this otherwise, in
// another instruction set or with contracted products, gets other bytes.
TEST(SolverBytes, AreThoseOfEveryOtherMachine) {
  ThreadPool pool(2);
  constexpr std::size_t n = 256, rows = 20;
  std::uint32_t state = 1;
  const auto next = [&] {
    state = state * 1664525u + 1013904223u;
    return static_cast<float>(static_cast<int>(state >> 24) - 128);
  };
  std::vector<float> x(n * 400), w(n * rows);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = next() + (i % n ? 0.75f * x[i - 1] : 0.0f);
  for (float& value : w) value = next() / 4096;
  Hessian hessian(n);
  hessian.add(x, pool);
  hessian.finish();
  const SolverMatrices m = solver_matrices(hessian, 0.01, "w", pool);
  std::string hashes;
  for (const TensorType type : {TensorType::q2_k, TensorType::q4_0, TensorType::iq2_xxs,
                                TensorType::iq2_s, TensorType::iq3_xxs, TensorType::iq3_s}) {
    std::vector<std::byte> bytes(rows * row_bytes(type, n));
    solve_rows(type, m, {}, w, bytes, pool);
    std::uint32_t hash = 2166136261u;
    for (const std::byte byte : bytes) hash = (hash ^ static_cast<std::uint32_t>(byte)) * 16777619u;
    hashes += fmt::format("{} {:08x} ", info(type).name, hash);
  }
  EXPECT_EQ(hashes,
            "q2_k 14e98508 q4_0 8925e2c4 iq2_xxs b6ff2ebc iq2_s 8c366c84 iq3_xxs 0be30d5a "
            "iq3_s cdbbbe44 ");
}

TEST_P(Solver, TakesZeroRowsAndDeadColumns) {
  ThreadPool pool(1);
  Hessian dead(256);  // no activation at all
  dead.finish();
  const SolverMatrices m = solver_matrices(dead, 0.01, "w", pool);
  std::vector<float> w(4 * 256);
  std::fill(w.begin() + 256, w.begin() + 512, 0.5f);
  const std::size_t size = row_bytes(GetParam(), 256);
  std::vector<std::byte> bytes(4 * size);
  solve_rows(GetParam(), m, {}, w, bytes, pool);
  std::vector<float> q(256);
  for (std::size_t r = 0; r < 4; ++r) {
    decode_row(GetParam(), std::span(bytes).subspan(r * size, size), q);
    for (const float value : q) {
      ASSERT_TRUE(std::isfinite(value));
      if (r != 1) {
        EXPECT_EQ(value, 0.0f);
      }
    }
  }
}

using enum TensorType;
INSTANTIATE_TEST_SUITE_P(Types, Solver,
                         testing::Values(q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k,
                                         iq4_nl, iq4_xs, iq2_xxs, iq2_xs, iq2_s, iq3_xxs, iq3_s),
                         [](const auto& test) {
                           return std::string(limbeck::info(test.param).name);
                         });

}  // namespace
}  // namespace limbeck
