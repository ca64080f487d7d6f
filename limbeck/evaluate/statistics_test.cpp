// Published values, identities, and coverage of the intervals by simulation.
#include "limbeck/evaluate/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/random.h"

namespace limbeck {
namespace {

// Newcombe, Statistics in Medicine 17 (1998), table I, method 3 (score without continuity
// correction): 81/263, 15/148, 0/20, 1/29.
TEST(Wilson, NewcombesTable) {
  const struct {
    std::int64_t right, n;
    double low, high;
  } rows[] = {{81, 263, 0.2553, 0.3662},
              {15, 148, 0.0624, 0.1605},
              {0, 20, 0.0, 0.1611},
              {1, 29, 0.0061, 0.1718}};
  for (const auto& row : rows) {
    const Interval i = wilson(row.right, row.n);
    EXPECT_NEAR(i.low, row.low, 5e-5) << row.right << "/" << row.n;
    EXPECT_NEAR(i.high, row.high, 5e-5) << row.right << "/" << row.n;
  }
}

TEST(Wilson, EdgesStayInsideZeroAndOne) {
  EXPECT_EQ(wilson(0, 0).high, 1);
  EXPECT_EQ(wilson(0, 50).low, 0);
  EXPECT_EQ(wilson(50, 50).high, 1);
  EXPECT_GT(wilson(50, 50).low, 0.9);
}

TEST(McNemar, ExactBinomialValues) {
  const auto p = [](int only_a, int only_b, int both) {
    std::vector<double> a, b;
    for (int i = 0; i < only_a; ++i) a.push_back(1), b.push_back(0);
    for (int i = 0; i < only_b; ++i) a.push_back(0), b.push_back(1);
    for (int i = 0; i < both; ++i) a.push_back(1), b.push_back(1);
    return mcnemar(a, b);
  };
  // 2 * sum_{k<=b} C(n, k) / 2^n by hand.
  EXPECT_NEAR(p(1, 5, 10), 2 * (1 + 6) / 64.0, 1e-12);
  EXPECT_NEAR(p(0, 8, 0), 2 / 256.0, 1e-12);
  EXPECT_EQ(p(3, 3, 4), 1);
  EXPECT_EQ(p(0, 0, 9), 1);
  // Large counts stay finite: normal approximation of the same test within 2 %.
  const double z = (2000 - 1800) / std::sqrt(3800.0);
  EXPECT_NEAR(p(1800, 2000, 0), std::erfc((z - 1 / std::sqrt(3800.0)) / std::sqrt(2.0)), 2e-5);
}

TEST(Bootstrap, AgreesWithTheNormalIntervalOfAMean) {
  Random random(7);
  std::vector<double> scores(400);
  double sum = 0, squares = 0;
  for (double& s : scores) {
    s = random.uniform();
    sum += s;
    squares += s * s;
  }
  const double mean = sum / 400, deviation = std::sqrt((squares / 400 - mean * mean) / 400);
  const Interval i = bootstrap_mean(scores);
  EXPECT_DOUBLE_EQ(i.value, mean);
  EXPECT_NEAR(i.low, mean - 1.96 * deviation, 0.1 * deviation);
  EXPECT_NEAR(i.high, mean + 1.96 * deviation, 0.1 * deviation);
}

TEST(Bootstrap, SameSeedSameIntervalOtherSeedOther) {
  std::vector<double> scores{0.1, 0.9, 0.4, 0.33, 0.7, 0.21, 0.5};
  const Interval a = bootstrap_mean(scores, 3), b = bootstrap_mean(scores, 3);
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
}

TEST(Bootstrap, MeanIsTheWeightedStatisticOfTheSameDraws) {
  std::vector<double> scores{0.1, 0.9, 0.4, 0.33, 0.7};
  const Interval direct = bootstrap_mean(scores, 5);
  const Interval general = bootstrap(
      scores.size(),
      [&](std::span<const std::uint32_t> counts) {
        double sum = 0;
        for (std::size_t i = 0; i < counts.size(); ++i) sum += counts[i] * scores[i];
        return sum / static_cast<double>(counts.size());
      },
      5);
  EXPECT_NEAR(direct.low, general.low, 1e-12);
  EXPECT_NEAR(direct.high, general.high, 1e-12);
}

TEST(Bootstrap, AllRightGetsWilsonNotAPoint) {
  const Interval i = bootstrap_mean(std::vector<double>(20, 1.0));
  EXPECT_EQ(i.value, 1);
  EXPECT_NEAR(i.low, wilson(20, 20).low, 1e-12);
  EXPECT_LT(i.low, 0.9);
}

TEST(Paired, ConstantShiftHasNoSpread) {
  std::vector<double> a{0.1, 0.5, 0.2, 0.7}, b;
  for (double x : a) b.push_back(x + 0.25);
  const Interval i = paired_difference(a, b);
  EXPECT_NEAR(i.low, 0.25, 1e-12);
  EXPECT_NEAR(i.high, 0.25, 1e-12);
  EXPECT_LT(paired_bootstrap_p(a, b), 0.001);
  EXPECT_EQ(paired_bootstrap_p(a, a), 1);
}

TEST(Paired, SwappingTheModelsFlipsTheSign) {
  Random random(2);
  std::vector<double> a(200), b(200);
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = random.uniform();
    b[i] = random.uniform();
  }
  const Interval ab = paired_difference(a, b), ba = paired_difference(b, a);
  EXPECT_NEAR(ab.low, -ba.high, 1e-12);
  EXPECT_NEAR(paired_bootstrap_p(a, b), paired_bootstrap_p(b, a), 1e-12);
}

TEST(Paired, DifferentItemsAreRefused) {
  const std::vector<double> a{1, 0}, b{1};
  EXPECT_THROW(paired_difference(a, b), Error);
  EXPECT_THROW(mcnemar(a, b), Error);
}

// 95 % intervals must hold the truth about 95 times in 100: 200 simulated samples, binomial spread
// of the coverage itself is 1.5 points.
TEST(Paired, CoverageOfTheDifference) {
  Random random(11);
  int held = 0;
  for (std::uint64_t trial = 0; trial < 200; ++trial) {
    std::vector<double> a(60), b(60);
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double ease = random.uniform();
      a[i] = random.uniform() < 0.5 + 0.3 * (ease - 0.5) ? 1 : 0;
      b[i] = random.uniform() < 0.7 + 0.3 * (ease - 0.5) ? 1 : 0;
    }
    const Interval i = paired_difference(a, b, trial);
    held += i.low <= 0.2 && 0.2 <= i.high;
  }
  EXPECT_GE(held, 200 * 0.89);
  EXPECT_LE(held, 200 * 0.995);
}

TEST(Blocks, DependentValuesWidenTheInterval) {
  Random random(4);
  std::vector<float> values;
  for (int i = 0; i < 100; ++i) {
    const auto level = static_cast<float>(random.normal());
    values.insert(values.end(), 50, level);  // 50 equal neighbours: 100 independent values
  }
  const Interval naive = block_bootstrap_mean(values, 1), blocks = block_bootstrap_mean(values, 50);
  EXPECT_NEAR(naive.value, blocks.value, 1e-9);
  EXPECT_NEAR((blocks.high - blocks.low) / (naive.high - naive.low), std::sqrt(50.0), 1.0);
}

TEST(Blocks, ShortLastBlockCountsByItsItems) {
  const std::vector<float> values{1, 1, 1, 1, 4};
  EXPECT_NEAR(block_bootstrap_mean(values, 4).value, 8.0 / 5, 1e-12);
  EXPECT_THROW(block_bootstrap_mean(values, 0), Error);
}

TEST(Statistics, PairedProportionsAreTangos) {
  // No item differs: the limits are z^2 / (n + z^2), not zero.
  const std::vector<double> same(100, 1.0);
  const Interval none = paired_proportions(same, same);
  EXPECT_NEAR(none.high, 3.8415 / 103.8415, 1e-4);
  EXPECT_NEAR(none.low, -none.high, 1e-9);
  // Limits solve the score equation, so exchanging the models mirrors them.
  std::vector<double> a(200, 1.0), b(200, 1.0);
  for (int i = 0; i < 12; ++i) b[static_cast<std::size_t>(i)] = 0;
  for (int i = 20; i < 25; ++i) a[static_cast<std::size_t>(i)] = 0;
  const Interval ab = paired_proportions(a, b), ba = paired_proportions(b, a);
  EXPECT_NEAR(ab.value, -7.0 / 200, 1e-12);
  EXPECT_NEAR(ab.low, -ba.high, 1e-9);
  EXPECT_NEAR(ab.high, -ba.low, 1e-9);
  // The constrained likelihood maximised numerically gives the same limits.
  EXPECT_NEAR(ab.low, -0.0806557, 1e-6);
  EXPECT_NEAR(ab.high, 0.0060025, 1e-6);
}

TEST(Statistics, PairedProportionsCover) {
  // 95 % of the intervals hold the true difference of -2 points at n = 150, 5 % discordant.
  Random random(3, 0);
  int covered = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    std::vector<double> a, b;
    for (int i = 0; i < 150; ++i) {
      const double u = random.uniform();
      a.push_back(u < 0.035 || u >= 0.05 ? 1 : 0);
      b.push_back(u >= 0.035 ? 1 : 0);
    }
    const Interval interval = paired_proportions(a, b);
    covered += interval.low <= -0.02 && -0.02 <= interval.high;
  }
  EXPECT_GT(covered, 2000 * 0.93);
  EXPECT_LT(covered, 2000 * 0.985);
}

}  // namespace
}  // namespace limbeck
