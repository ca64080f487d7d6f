// Sampling, stop conditions and batches, on a tiny real tokenizer and a random model.
#include "limbeck/runtime/generate.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>
#include <numeric>

#include "limbeck/base/error.h"
#include "limbeck/runtime/sampler.h"

namespace limbeck {
namespace {

TEST(LogSoftmax, SumsToOneAndDoesNotOverflow) {
  const std::vector<float> logits = {1000, 999, -1000, 0};
  std::vector<float> out(4);
  log_softmax(logits, out);
  double total = 0;
  for (const float value : out) total += std::exp(value);
  EXPECT_NEAR(total, 1, 1e-6);
  EXPECT_NEAR(out[0] - out[1], 1, 1e-4);
}

TEST(Sampler, GreedyTakesTheLowestOfEqualIds) {
  Sampler sampler({});
  EXPECT_EQ(sampler.next(std::array{1.0f, 3.0f, 3.0f, 2.0f}, {}), 1);
  EXPECT_EQ(sampler.next(std::array{1.0f, 3.0f, 3.0f, 2.0f}, {true, false, false, true}), 3);
}

std::map<TokenId, double> frequencies(const SamplingOptions& options, std::span<const float> logits,
                                      int n = 20000) {
  Sampler sampler(options);
  std::map<TokenId, double> counts;
  for (int i = 0; i < n; ++i) counts[sampler.next(logits, {})] += 1.0 / n;
  return counts;
}

TEST(Sampler, DrawsByProbability) {
  const std::array logits{0.0f, std::log(2.0f), std::log(5.0f)};
  // Four standard deviations of a frequency of 20,000 draws are at most 0.0142.
  auto plain = frequencies({.temperature = 1}, logits);
  EXPECT_NEAR(plain[0], 1 / 8.0, 0.0142);
  EXPECT_NEAR(plain[1], 2 / 8.0, 0.0142);
  EXPECT_NEAR(plain[2], 5 / 8.0, 0.0142);
  auto cold = frequencies({.temperature = 0.5}, logits);  // squares
  EXPECT_NEAR(cold[2], 25 / 30.0, 0.0142);
  auto two = frequencies({.temperature = 1, .top_k = 2}, logits);
  EXPECT_EQ(two.count(0), 0u);
  EXPECT_NEAR(two[1], 2 / 7.0, 0.0142);
  // 5/8 is below .7, so the second is needed too; then 7/8 is enough.
  auto nucleus = frequencies({.temperature = 1, .top_p = 0.7}, logits);
  EXPECT_EQ(nucleus.count(0), 0u);
  EXPECT_NEAR(nucleus[2], 5 / 7.0, 0.0142);
  auto likely = frequencies({.temperature = 1, .min_p = 0.3}, logits);  // 1/5 is below .3
  EXPECT_EQ(likely.count(0), 0u);
  EXPECT_EQ(likely.count(1), 1u);
}

TEST(Sampler, SeedAndStreamDecide) {
  std::vector<float> logits(100, 0.0f);
  const auto draw = [&](std::uint64_t seed, std::uint64_t stream) {
    Sampler sampler({.temperature = 1, .seed = seed, .stream = stream});
    std::vector<TokenId> ids;
    for (int i = 0; i < 20; ++i) ids.push_back(sampler.next(logits, {}));
    return ids;
  };
  EXPECT_EQ(draw(1, 0), draw(1, 0));
  EXPECT_NE(draw(1, 0), draw(2, 0));
  EXPECT_NE(draw(1, 0), draw(1, 1));
}

TEST(Sampler, PenaltyMovesWhatWasSeen) {
  Sampler sampler({.repetition_penalty = 2});
  sampler.seen(1);
  EXPECT_EQ(sampler.next(std::array{2.0f, 3.0f}, {}), 0);    // 3 / 2
  EXPECT_EQ(sampler.next(std::array{-3.0f, -2.0f}, {}), 0);  // -2 * 2
}

TEST(Sampler, BadOptionsAreNamed) {
  for (const SamplingOptions& bad :
       {SamplingOptions{.temperature = -1}, SamplingOptions{.top_k = -1},
        SamplingOptions{.top_p = 0}, SamplingOptions{.top_p = 1.5}, SamplingOptions{.min_p = 1},
        SamplingOptions{.repetition_penalty = 0}}) {
    EXPECT_THROW(check(bad), Error);
  }
}

}  // namespace
}  // namespace limbeck
