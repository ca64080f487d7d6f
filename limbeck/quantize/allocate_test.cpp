#include "limbeck/quantize/allocate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "limbeck/base/error.h"
#include "limbeck/base/random.h"

namespace limbeck {
namespace {

using Choices = std::vector<std::vector<Choice>>;

double cost_of(const Choices& choices, const std::vector<std::size_t>& picks) {
  double cost = 0;
  for (std::size_t i = 0; i < picks.size(); ++i) cost += choices[i][picks[i]].cost;
  return cost;
}
std::uint64_t bytes_of(const Choices& choices, const std::vector<std::size_t>& picks) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < picks.size(); ++i) bytes += choices[i][picks[i]].bytes;
  return bytes;
}

// Items of a few sizes; an error falls by 4 for each bit more, as rounding errors do.
Choices sample(std::size_t items, std::uint64_t seed) {
  Random random(seed);
  Choices choices(items);
  for (auto& item : choices) {
    const double size = 100 * (1 + static_cast<double>(random.below(8)));
    const double weight = std::exp(2 * random.normal());
    for (int bits = 2; bits <= 6; ++bits) {
      item.push_back({static_cast<std::uint64_t>(size * (bits + 0.5)),
                      weight * std::pow(4.0, -bits) * (0.8 + 0.4 * random.uniform())});
    }
  }
  return choices;
}

double best_by_search(const Choices& choices, std::uint64_t budget) {
  std::vector<std::size_t> picks(choices.size());
  double best = std::numeric_limits<double>::infinity();
  while (true) {
    if (bytes_of(choices, picks) <= budget) best = std::min(best, cost_of(choices, picks));
    std::size_t i = 0;
    while (i < picks.size() && ++picks[i] == choices[i].size()) picks[i++] = 0;
    if (i == picks.size()) return best;
  }
}

TEST(Allocate, IsNearTheExactBest) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Choices choices = sample(6, seed);
    const std::uint64_t least = bytes_of(choices, std::vector<std::size_t>(6, 0));
    const std::uint64_t budget = least * 16 / 10;
    const auto picks = allocate(choices, budget);
    EXPECT_LE(bytes_of(choices, picks), budget);
    EXPECT_LT(cost_of(choices, picks), 1.15 * best_by_search(choices, budget)) << seed;
  }
}

TEST(Allocate, FillsTheBudgetWithinAThousandth) {
  const Choices choices = sample(150, 3);
  const std::uint64_t least = bytes_of(choices, std::vector<std::size_t>(150, 0));
  for (const double part : {1.1, 1.5, 1.9}) {
    const auto budget = static_cast<std::uint64_t>(static_cast<double>(least) * part);
    const std::uint64_t used = bytes_of(choices, allocate(choices, budget));
    EXPECT_LE(used, budget);
    EXPECT_GT(used, budget - budget / 1000);
  }
}

TEST(Allocate, TakesTheBestOfAllWhenThereIsRoom) {
  const Choices choices = sample(10, 1);
  const auto picks = allocate(choices, 1u << 30);
  for (std::size_t i = 0; i < picks.size(); ++i) {
    for (const Choice& choice : choices[i]) EXPECT_LE(choices[i][picks[i]].cost, choice.cost);
  }
}

TEST(Allocate, SaysTheLeastPossible) {
  try {
    allocate({{{100, 1}, {200, 0.5}}, {{50, 1}}}, 149);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(error.what()).find("150 bytes"), std::string::npos);
  }
}

}  // namespace
}  // namespace limbeck
