#include "limbeck/base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace limbeck {
namespace {

using Block = std::array<std::uint32_t, 4>;

// Known answers published with Random123 (tests/kat_vectors, "philox4x32 10").
TEST(Random, PhiloxKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, SeekContinuesExactly) {
  Random a(7, 3);
  std::vector<std::uint32_t> drawn(23);
  for (auto& word : drawn) word = a();
  for (std::size_t start = 0; start < drawn.size(); ++start) {
    Random b(7, 3);
    b.seek(start);
    for (std::size_t i = start; i < drawn.size(); ++i) EXPECT_EQ(b(), drawn[i]);
    EXPECT_EQ(b.position(), drawn.size());
  }
  EXPECT_NE(Random(7, 4)(), drawn[0]);
  EXPECT_NE(Random(8, 3)(), drawn[0]);
}

TEST(Random, Moments) {
  Random random(1);
  constexpr int n = 200'000;
  double uniform = 0, normal = 0, square = 0;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform();
    ASSERT_TRUE(u >= 0 && u < 1);
    uniform += u;
    const double z = random.normal();
    ASSERT_TRUE(std::isfinite(z));
    normal += z;
    square += z * z;
  }
  // Five standard errors: sqrt(1/12/n), sqrt(1/n), sqrt(2/n).
  EXPECT_NEAR(uniform / n, 0.5, 5 * 0.289 / std::sqrt(n));
  EXPECT_NEAR(normal / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(square / n, 1, 5 * 1.415 / std::sqrt(n));
}

TEST(Random, BelowCoversItsRangeEvenly) {
  Random random(2);
  std::vector<int> counts(7);
  for (int i = 0; i < 70'000; ++i) ++counts[random.below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 5 * std::sqrt(10'000.0));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(random.below(1), 0u);
  EXPECT_LT(random.below((1ull << 63) + 1), (1ull << 63) + 1);
}

TEST(Random, ShuffleIsAPermutation) {
  std::vector<int> items(100);
  std::iota(items.begin(), items.end(), 0);
  const auto before = items;
  Random random(3);
  shuffle(items, random);
  EXPECT_NE(items, before);
  std::ranges::sort(items);
  EXPECT_EQ(items, before);
}

}  // namespace
}  // namespace limbeck
