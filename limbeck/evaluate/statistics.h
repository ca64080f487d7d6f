// Intervals and paired tests.
#pragma once

#include <cstdint>
#include <span>

namespace limbeck {

struct Interval {
  double value = 0, low = 0, high = 0;  // point estimate and 95 % interval
};

// A proportion of `right` in `n`: Wilson's score interval. n == 0: {0, 0, 1}.
Interval wilson(std::int64_t right, std::int64_t n);

// Mean of per-item scores: percentile bootstrap (10,000 resamples, seeded).
Interval bootstrap_mean(std::span<const double> scores, std::uint64_t seed = 1);

// Difference of means b - a on the same items: paired bootstrap.
Interval paired_difference(std::span<const double> a, std::span<const double> b,
                           std::uint64_t seed = 1);

// Exact two-sided McNemar test on right/wrong of the same items (binomial on the discordant pairs).
// p in [0, 1].
double mcnemar(std::span<const double> a, std::span<const double> b);

// Two-sided paired bootstrap p for a difference of means.
double paired_bootstrap_p(std::span<const double> a, std::span<const double> b,
                          std::uint64_t seed = 1);

// Mean with 95 % interval by blocks (adjacent tokens are dependent): bootstrap over blocks of
// `block` items.
Interval block_bootstrap_mean(std::span<const float> values, std::size_t block,
                              std::uint64_t seed = 1);

}  // namespace limbeck
