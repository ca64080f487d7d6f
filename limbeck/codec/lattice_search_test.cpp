#include "limbeck/codec/lattice_search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "limbeck/base/f16.h"
#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"

namespace limbeck {
namespace {

using enum TensorType;

constexpr std::size_t kColumns = 256, kBlocks = kColumns / 32;

std::vector<float> as_stored(TensorType type, const std::vector<float>& values) {
  std::vector<std::byte> bytes(row_bytes(type, static_cast<std::int64_t>(values.size())));
  std::vector<float> stored(values.size());
  encode_row(type, values, bytes);
  decode_row(type, bytes, stored);
  return stored;
}

// Multiples in [low, high] of a binary16 step of its own for each `group` weights.
std::vector<float> on_lattice(TensorType type, std::size_t group, int low, int high, int seed) {
  Random random(static_cast<std::uint64_t>(seed));
  std::vector<float> values(kColumns);
  float step = 0;
  for (std::size_t i = 0; i < kColumns; ++i) {
    if (i % group == 0) {
      step = f16_to_float(float_to_f16(static_cast<float>(0.002 + 0.03 * random.uniform())));
    }
    values[i] = step * static_cast<float>(low + std::floor(random.uniform() * (high - low + 1)));
  }
  return as_stored(type, values);
}

struct Found {
  std::vector<LatticeScale> blocks = std::vector<LatticeScale>(kBlocks);
  std::vector<std::uint8_t> codes = std::vector<std::uint8_t>(kColumns);
};

// The type's bytes, if the weights are on a lattice that it holds.
std::vector<std::byte> taken(TensorType stored, const std::vector<float>& weights,
                             TensorType type) {
  Found found;
  if (!find_lattice(stored, weights, found.blocks, found.codes) ||
      !lattice_fits(type, found.blocks, kLatticeCodes - 1)) {
    return {};
  }
  std::vector<std::byte> bytes(row_bytes(type, kColumns));
  encode_lattice(type, found.blocks, found.codes, kLatticeCodes - 1, bytes);
  return bytes;
}

class OfEachFloatType : public testing::TestWithParam<TensorType> {
 protected:
  void expect_held(const std::vector<float>& weights, TensorType type) {
    const auto bytes = taken(GetParam(), weights, type);
    ASSERT_FALSE(bytes.empty());
    std::vector<float> decoded(kColumns);
    decode_row(type, bytes, decoded);
    EXPECT_EQ(as_stored(GetParam(), decoded), weights);
  }
};

TEST_P(OfEachFloatType, SymmetricGroupsAreQ4_0) {
  for (int seed = 1; seed <= 20; ++seed) {
    expect_held(on_lattice(GetParam(), 32, -8, 7, seed), q4_0);
    expect_held(on_lattice(GetParam(), 32, -3, 5, seed), q4_0);
  }
}

TEST_P(OfEachFloatType, OthersAreQ4_1OrQ4_K) {
  for (int seed = 1; seed <= 20; ++seed) {
    expect_held(on_lattice(GetParam(), 32, -4, 11, seed), q4_1);
    expect_held(on_lattice(GetParam(), 256, -13, 2, seed), q4_k);
  }
}

TEST_P(OfEachFloatType, ZerosAreOnAnyLattice) {
  expect_held(std::vector<float>(kColumns), q4_0);
  auto weights = on_lattice(GetParam(), 32, -8, 7, 3);
  std::fill_n(weights.begin(), 32, 0.0f);
  expect_held(weights, q4_0);
}

TEST_P(OfEachFloatType, ScalesMayDifferByAnyFactor) {
  auto weights = on_lattice(GetParam(), 32, -8, 7, 4);
  std::fill_n(weights.begin(), 32, 0x1p-20f);
  for (std::size_t i = 32; i < 64; ++i)
    weights[i] *= 0x1p14f;  // steps of the block before: beyond an int
  expect_held(weights, q4_0);
}

TEST_P(OfEachFloatType, OtherWeightsAreOnNone) {
  Random random(7);
  std::vector<float> weights(kColumns);
  for (float& w : weights) w = static_cast<float>(random.normal() * 0.02);
  EXPECT_TRUE(taken(GetParam(), as_stored(GetParam(), weights), q4_0).empty());
  weights = on_lattice(GetParam(), 32, -8, 7, 5);
  weights[200] *= 1.07f;  // one off the lattice is enough
  EXPECT_TRUE(taken(GetParam(), as_stored(GetParam(), weights), q4_0).empty());
  EXPECT_TRUE(taken(GetParam(), on_lattice(GetParam(), 32, -20, 20, 5), q4_0).empty());
  for (const float odd : {std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity(), 70000.0f}) {
    weights = on_lattice(GetParam(), 32, -8, 7, 6);
    weights[70] = odd;
    EXPECT_TRUE(taken(GetParam(), weights, q4_0).empty());
  }
}

INSTANTIATE_TEST_SUITE_P(LatticeSearch, OfEachFloatType, testing::Values(f32, f16, bf16));

}  // namespace
}  // namespace limbeck
