// Intervals and paired tests. Every random number is seeded: the same scores give the same
// interval.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace limbeck {

struct Interval {
  double value = 0, low = 0, high = 0;  // point estimate and 95 % interval
};

// A proportion of `right` in `n`: Wilson's score interval (Wilson 1927). n == 0: {0, 0, 1}.
Interval wilson(std::int64_t right, std::int64_t n);

// A statistic of a sample in which item i stands counts[i] times; counts.size() is n.
using WeightedStatistic = std::function<double(std::span<const std::uint32_t> counts)>;

// Percentile bootstrap (Efron 1979) of any statistic of n items: 10,000 resamples, fewer (never
// below 1,000) where n x resamples would pass 50 million draws. n == 0: {0, 0, 1}.
Interval bootstrap(std::size_t n, const WeightedStatistic& statistic, std::uint64_t seed = 1);

// Mean of per-item scores, by the bootstrap above. Scores that are all 0 or all 1 say nothing of
// their spread to a bootstrap, so they get Wilson's interval; empty: {0, 0, 1}.
Interval bootstrap_mean(std::span<const double> scores, std::uint64_t seed = 1);

// Difference of means b - a on the same items: paired bootstrap. Throws Error{usage} when the sizes
// differ. Empty: {0, -1, 1}.
Interval paired_difference(std::span<const double> a, std::span<const double> b,
                           std::uint64_t seed = 1);

// The same where every score is 0 or 1: Tango's score interval for paired proportions (Tango 1998,
// Statistics in Medicine 17:891). Unlike a bootstrap it says how little few items, or items on
// which both agree, can exclude. A score of at least .5 is right. Throws as paired_difference.
Interval paired_proportions(std::span<const double> a, std::span<const double> b);

// Exact two-sided McNemar test on right/wrong of the same items (binomial on the discordant pairs;
// a score of at least .5 is right). p in [0, 1]; 1 without discordant pairs. Throws Error{usage}
// when the sizes differ.
double mcnemar(std::span<const double> a, std::span<const double> b);

// Two-sided paired bootstrap p for a difference of means: twice the smaller share of resampled
// differences on either side of 0, at least 2 / (resamples + 1). 1 when no item differs.
double paired_bootstrap_p(std::span<const double> a, std::span<const double> b,
                          std::uint64_t seed = 1);

// Mean with 95 % interval by blocks (adjacent tokens are dependent): bootstrap over blocks of
// `block` > 0 items, the last one as short as it comes. Empty: {0, 0, 0}.
Interval block_bootstrap_mean(std::span<const float> values, std::size_t block,
                              std::uint64_t seed = 1);

}  // namespace limbeck
