#include "limbeck/quantize/entry_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "limbeck/base/random.h"

namespace limbeck {
namespace {

// A correlated positive definite form of `n` weights and a target of it.
struct Problem {
  std::vector<float> s, b;
};
Problem sample_problem(std::size_t n, std::uint64_t seed) {
  Random random(seed);
  std::vector<double> x(n * n), t(n);
  for (std::size_t i = 0; i < n; ++i) {
    t[i] = 20 * random.normal();
    double previous = 0;
    for (std::size_t k = 0; k < n; ++k) {
      previous = 0.7 * previous + random.normal();
      x[i * n + k] = previous;
    }
  }
  Problem problem{std::vector<float>(n * n), std::vector<float>(n)};
  for (std::size_t i = 0; i < n; ++i) {
    double b = 0;
    for (std::size_t j = 0; j < n; ++j) {
      double sum = i == j ? 0.5 : 0.0;
      for (std::size_t k = 0; k < n; ++k) sum += x[k * n + i] * x[k * n + j];
      problem.s[i * n + j] = static_cast<float>(sum);
      b += sum * t[j];
    }
    problem.b[i] = static_cast<float>(b);
  }
  return problem;
}

class Entries : public testing::TestWithParam<TensorType> {};

// Against every entry with every choice of signs.
TEST_P(Entries, AreNearlyTheBestOfAll) {
  const TableFormat& format = *find_table_format(GetParam());
  const EntrySearch search(format);
  const std::size_t dims = format.dims;
  const Parity parity = format.even_signs ? Parity::even : Parity::any;
  double found_error = 0, best_error = 0, first_error = 0;
  for (std::uint64_t trial = 0; trial < 12; ++trial) {
    const Problem problem = sample_problem(dims, trial);
    const float *s = problem.s.data(), *b = problem.b.data();
    const float step = trial % 2 ? 0.8f : -0.8f;
    double best = 1e30;
    for (unsigned signs = 0; signs < 1u << dims; ++signs) {
      if (!allowed(signs, parity)) continue;
      for (unsigned entry = 0; entry < format.entries.size() / dims; ++entry) {
        best = std::min(best, double{search.cost(s, b, step, entry, signs)});
      }
    }
    const FoundEntry found = search.best(s, b, step, 0, parity, 6);
    EXPECT_TRUE(allowed(found.signs, parity));
    const double cost = search.cost(s, b, step, found.entry, found.signs);
    EXPECT_NEAR(found.cost, cost, 1e-3 * std::abs(cost));
    EXPECT_GE(cost, best - 1e-3 * std::abs(best));
    found_error += cost;
    best_error += best;
    first_error += search.cost(s, b, step, 0, 0);
  }
  RecordProperty("share", std::to_string(found_error / best_error));
  // Costs are below that of zeros, which is 0; from a poor start most of the way is found.
  EXPECT_LT(found_error, 0.95 * best_error);
  EXPECT_LT(found_error, first_error);
}

TEST_P(Entries, KeepTheParityAskedFor) {
  const TableFormat& format = *find_table_format(GetParam());
  const EntrySearch search(format);
  for (std::uint64_t trial = 0; trial < 50; ++trial) {
    const Problem problem = sample_problem(format.dims, trial);
    for (const Parity parity : {Parity::even, Parity::odd}) {
      const auto start = static_cast<unsigned>(trial) % (1u << format.dims);
      const FoundEntry found =
          search.best(problem.s.data(), problem.b.data(), 0.8f, start, parity, 1);
      EXPECT_EQ(std::popcount(unsigned{found.signs}) % 2, parity == Parity::odd ? 1 : 0);
    }
  }
}

using enum TensorType;
INSTANTIATE_TEST_SUITE_P(Types, Entries, testing::Values(iq2_xxs, iq2_xs, iq2_s, iq3_xxs, iq3_s),
                         [](const auto& test) {
                           return std::string(limbeck::info(test.param).name);
                         });

}  // namespace
}  // namespace limbeck
