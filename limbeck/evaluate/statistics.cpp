// Intervals and paired tests. Bootstrap intervals are percentiles (Efron & Tibshirani 1993, ch.
// 13).
#include "limbeck/evaluate/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/random.h"

namespace limbeck {
namespace {

constexpr double kZ = 1.959963984540054;  // 97.5 % point of the standard normal distribution
constexpr std::size_t kResamples = 10'000, kFewestResamples = 1'000, kMostDraws = 50'000'000;

std::size_t resamples_for(std::size_t n) {
  return std::clamp(kMostDraws / std::max<std::size_t>(n, 1), kFewestResamples, kResamples);
}

// `values` in place; share in [0, 1]; linear between order statistics (numpy's default).
double percentile(std::vector<double>& values, double share) {
  const double position = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values.begin(), middle, values.end());
  const double low = *middle;
  if (below + 1 == values.size()) return low;
  const double high = *std::min_element(middle + 1, values.end());
  return low + (position - static_cast<double>(below)) * (high - low);
}

Interval percentiles(double value, std::vector<double>& resampled) {
  const double low = percentile(resampled, 0.025);
  return {value, low, percentile(resampled, 0.975)};
}

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Means of resamples of `values`, which must not be empty.
std::vector<double> resampled_means(std::span<const double> values, std::uint64_t seed) {
  Random random(seed);
  std::vector<double> means(resamples_for(values.size()));
  for (double& m : means) {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      sum += values[static_cast<std::size_t>(random.below(values.size()))];
    }
    m = sum / static_cast<double>(values.size());
  }
  return means;
}

std::vector<double> differences(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) {
    fail(ErrorKind::usage, "a paired test needs the same items: {} scores against {}", a.size(),
         b.size());
  }
  std::vector<double> difference(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) difference[i] = b[i] - a[i];
  return difference;
}

}  // namespace

Interval wilson(std::int64_t right, std::int64_t n) {
  if (n <= 0) return {0, 0, 1};
  const double count = static_cast<double>(n), p = static_cast<double>(right) / count;
  const double scale = 1 + kZ * kZ / count;
  const double center = (p + kZ * kZ / (2 * count)) / scale;
  const double half = kZ / scale * std::sqrt(p * (1 - p) / count + kZ * kZ / (4 * count * count));
  // At 0 and n the bound is exactly 0 or 1; rounding must not push it inside.
  return {p, right == 0 ? 0 : center - half, right == n ? 1 : center + half};
}

Interval bootstrap(std::size_t n, const WeightedStatistic& statistic, std::uint64_t seed) {
  if (n == 0) return {0, 0, 1};
  std::vector<std::uint32_t> counts(n, 1);
  const double value = statistic(counts);
  Random random(seed);
  std::vector<double> resampled(resamples_for(n));
  for (double& r : resampled) {
    std::fill(counts.begin(), counts.end(), 0u);
    for (std::size_t i = 0; i < n; ++i) ++counts[static_cast<std::size_t>(random.below(n))];
    r = statistic(counts);
  }
  return percentiles(value, resampled);
}

Interval bootstrap_mean(std::span<const double> scores, std::uint64_t seed) {
  if (scores.empty()) return {0, 0, 1};
  const auto n = static_cast<std::int64_t>(scores.size());
  const auto all = [&](double s) {
    return std::all_of(scores.begin(), scores.end(), [s](double x) { return x == s; });
  };
  if (all(0)) return wilson(0, n);
  if (all(1)) return wilson(n, n);
  auto means = resampled_means(scores, seed);
  return percentiles(mean(scores), means);
}

Interval paired_difference(std::span<const double> a, std::span<const double> b,
                           std::uint64_t seed) {
  const auto difference = differences(a, b);
  if (difference.empty()) return {0, -1, 1};
  auto means = resampled_means(difference, seed);
  return percentiles(mean(difference), means);
}

namespace {

// Items that only a, and only b, got right.
struct Discordant {
  double only_a = 0, only_b = 0, n = 0;
};

Discordant discordant(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) (void)differences(a, b);  // throws
  Discordant counts;
  counts.n = static_cast<double>(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool right_a = a[i] >= 0.5, right_b = b[i] >= 0.5;
    counts.only_a += right_a && !right_b;
    counts.only_b += right_b && !right_a;
  }
  return counts;
}

// Tango's score of the hypothesis that the difference b - a is `d`.
double tango_score(const Discordant& c, double d) {
  const double half = (2 * c.n - c.only_b + c.only_a) * d - c.only_b - c.only_a;
  const double constant = -c.only_a * d * (1 - d);
  const double q = (std::sqrt(std::max(half * half - 8 * c.n * constant, 0.0)) - half) / (4 * c.n);
  const double variance = c.n * (2 * q + d * (1 - d));
  return (c.only_b - c.only_a - c.n * d) / std::sqrt(std::max(variance, 1e-300));
}

// Where the score, which falls with d, passes `target` between low and high.
double where_score(const Discordant& c, double target, double low, double high) {
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (tango_score(c, middle) > target ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

Interval paired_proportions(std::span<const double> a, std::span<const double> b) {
  const Discordant c = discordant(a, b);
  if (c.n == 0) return {0, -1, 1};
  const double value = (c.only_b - c.only_a) / c.n;
  return {value, where_score(c, kZ, -1, value), where_score(c, -kZ, value, 1)};
}

double mcnemar(std::span<const double> a, std::span<const double> b) {
  const Discordant counts = discordant(a, b);
  const double n = counts.only_a + counts.only_b;
  if (n == 0) return 1;
  double tail = 0;  // P(X <= min) for X ~ Binomial(n, 1/2)
  for (double x = 0; x <= std::min(counts.only_a, counts.only_b); ++x) {
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(x + 1) - std::lgamma(n - x + 1) -
                     n * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

double paired_bootstrap_p(std::span<const double> a, std::span<const double> b,
                          std::uint64_t seed) {
  const auto difference = differences(a, b);
  if (std::all_of(difference.begin(), difference.end(), [](double d) { return d == 0; })) return 1;
  const auto means = resampled_means(difference, seed);
  const auto share = [&](auto side) {  // +1: the observed sample is one more resample
    return static_cast<double>(std::count_if(means.begin(), means.end(), side) + 1) /
           static_cast<double>(means.size() + 1);
  };
  const double below = share([](double m) { return m <= 0; });
  const double above = share([](double m) { return m >= 0; });
  return std::min(1.0, 2 * std::min(below, above));
}

Interval block_bootstrap_mean(std::span<const float> values, std::size_t block,
                              std::uint64_t seed) {
  if (block == 0) fail(ErrorKind::usage, "a block bootstrap needs blocks of at least one item");
  if (values.empty()) return {0, 0, 0};
  struct Sum {
    double total = 0, items = 0;
  };
  std::vector<Sum> blocks;
  for (std::size_t begin = 0; begin < values.size(); begin += block) {
    const auto piece = values.subspan(begin, std::min(block, values.size() - begin));
    blocks.push_back(
        {std::accumulate(piece.begin(), piece.end(), 0.0), static_cast<double>(piece.size())});
  }
  const auto statistic = [&](std::span<const std::uint32_t> counts) {
    Sum sum;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      sum.total += counts[i] * blocks[i].total;
      sum.items += counts[i] * blocks[i].items;
    }
    return sum.total / sum.items;
  };
  return bootstrap(blocks.size(), statistic, seed);
}

}  // namespace limbeck
