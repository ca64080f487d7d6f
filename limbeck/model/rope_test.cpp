#include "limbeck/model/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace limbeck {
namespace {

Architecture rotary(std::int64_t dim, double theta) {
  Architecture a;
  a.head_dim = a.rope_dim = dim;
  a.rope_theta = theta;
  a.context_length = 2048;
  a.layers = 6;
  return a;
}

TEST(Rope, PlainFrequencies) {
  const RopeTable table = rope_table(rotary(8, 10000), 0);
  ASSERT_EQ(table.frequencies.size(), 4u);
  EXPECT_DOUBLE_EQ(table.frequencies[0], 1);
  EXPECT_NEAR(table.frequencies[1], 0.1, 1e-15);
  EXPECT_NEAR(table.frequencies[3], 0.001, 1e-15);
  EXPECT_EQ(table.magnitude, 1);
}

TEST(Rope, LearnedPositionsHaveNone) {
  Architecture a = rotary(8, 10000);
  a.positions = Positions::learned;
  EXPECT_TRUE(rope_table(a, 0).frequencies.empty());
}

TEST(Rope, LocalLayersAreNotScaled) {
  Architecture a = rotary(8, 1e6);
  a.rope_theta_local = 10000;
  a.sliding_window = 16;
  a.sliding_pattern = 6;
  a.rope_scaling.kind = RopeScaling::Kind::linear;
  a.rope_scaling.factor = 8;
  EXPECT_NEAR(rope_table(a, 0).frequencies[1], 0.1, 1e-15);
  EXPECT_DOUBLE_EQ(rope_table(a, 5).frequencies[0], 0.125);
}

// Expected values: transformers 5.2, ROPE_INIT_FUNCTIONS["llama3"] on Llama 3.2's configuration.
TEST(Rope, Llama3KeepsFastAndDividesSlow) {
  Architecture a = rotary(64, 500000);
  a.rope_scaling.kind = RopeScaling::Kind::llama3;
  a.rope_scaling.factor = 32;
  a.rope_scaling.original_context = 8192;
  const auto f = rope_table(a, 0).frequencies;
  EXPECT_DOUBLE_EQ(f[0], 1);
  EXPECT_NEAR(f[31], std::pow(500000, -62.0 / 64) / 32, 1e-18);
  EXPECT_NEAR(f[14], std::pow(500000, -28.0 / 64), 1e-12);  // 4.2 turns in 8192: kept
  const auto factors = llama3_factors(a);
  EXPECT_GT(factors[16], 1);  // between 1 and 4 turns: blended
  EXPECT_LT(factors[16], 32);
}

TEST(Rope, ScalingComesBackFromItsFactors) {
  Architecture a = rotary(64, 500000);
  a.rope_scaling.kind = RopeScaling::Kind::llama3;
  a.rope_scaling.factor = 8;
  a.rope_scaling.original_context = 8192;
  std::vector<double> narrow;
  for (const double f : llama3_factors(a)) narrow.push_back(static_cast<float>(f));
  const Architecture plain = rotary(64, 500000);
  EXPECT_EQ(scaling_from_factors(plain, narrow), a.rope_scaling);

  const std::vector<double> other(32, 3.0);
  const RopeScaling odd = scaling_from_factors(plain, other);
  EXPECT_EQ(odd.kind, RopeScaling::Kind::longrope);
  Architecture b = plain;
  b.rope_scaling = odd;
  EXPECT_DOUBLE_EQ(rope_table(b, 0).frequencies[0], 1.0 / 3);
  EXPECT_EQ(rope_table(b, 0).magnitude, 1);
  EXPECT_EQ(scaling_from_factors(plain, std::vector<double>(32, 1.0)).kind,
            RopeScaling::Kind::none);
}

TEST(Rope, YarnKeepsFastDimensionsAndDividesSlowOnes) {
  Architecture a = rotary(64, 10000);
  a.rope_scaling.kind = RopeScaling::Kind::yarn;
  a.rope_scaling.factor = 4;
  a.rope_scaling.original_context = 2048;
  const RopeTable table = rope_table(a, 0);
  EXPECT_DOUBLE_EQ(table.frequencies[0], 1);
  EXPECT_NEAR(table.frequencies[31], std::pow(10000, -62.0 / 64) / 4, 1e-15);
  EXPECT_NEAR(table.magnitude, 0.1 * std::log(4) + 1, 1e-12);
  a.rope_scaling.attention_factor = 2;
  EXPECT_EQ(rope_table(a, 0).magnitude, 2);
}

TEST(Rope, LongropePicksByContext) {
  Architecture a = rotary(4, 10000);
  a.context_length = 8192;
  a.rope_scaling.kind = RopeScaling::Kind::longrope;
  a.rope_scaling.original_context = 4096;
  a.rope_scaling.short_factors = {1, 2};
  a.rope_scaling.long_factors = {4, 8};
  EXPECT_DOUBLE_EQ(rope_table(a, 0).frequencies[0], 1);
  EXPECT_DOUBLE_EQ(rope_table(a, 0, 4096).frequencies[0], 1);
  EXPECT_DOUBLE_EQ(rope_table(a, 0, 4097).frequencies[0], 0.25);
  EXPECT_NEAR(rope_table(a, 0).magnitude, std::sqrt(1 + std::log(2) / std::log(4096)), 1e-12);
}

}  // namespace
}  // namespace limbeck
