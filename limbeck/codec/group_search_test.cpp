// Each table against scale_search.cpp, bit by bit.
#include "limbeck/codec/group_search.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "limbeck/base/f16.h"
#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"

namespace limbeck::codec {
namespace {

constexpr std::size_t kGroups = 21;  // fills no number of lanes

bool same(std::span<const float> a, std::span<const float> b) {
  return std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// Ordinary groups and those that end searches early: zero, constant, one sign, tiny, one outlier.
std::vector<float> groups_of(std::size_t size, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> x(kGroups * size);
  for (std::size_t j = 0; j < kGroups; ++j) {
    for (std::size_t i = 0; i < size; ++i) {
      const auto value = static_cast<float>(0.02 * random.normal());
      const float kinds[] = {value,
                             value,
                             0,
                             0.5f,
                             std::fabs(value),
                             -std::fabs(value),
                             value * 1e-14f,
                             i == 3 ? 7.0f : value,
                             value * 1e30f,
                             -1.25f};
      x[j * size + i] = kinds[j % std::size(kinds)];
    }
  }
  return x;
}

std::vector<float> weights_of(std::size_t n, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> weights(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double value = random.normal();
    weights[i] = i % 11 == 0 || i / 64 == 5 ? 0.0f : static_cast<float>(value * value);
  }
  return weights;
}

class Searches : public testing::TestWithParam<const GroupSearch*> {};

TEST_P(Searches, FitScaleAndMinimum) {
  for (const std::size_t size : {std::size_t{16}, std::size_t{32}}) {
    for (const int top : {3, 15, 31}) {
      for (const AffineSteps& steps : {AffineSteps{-0.9f, 0.05f, 36}, {-0.5f, 0.1f, 15, true}}) {
        const auto x = groups_of(size, 1 + static_cast<unsigned>(top));
        const auto weights = weights_of(x.size(), 2);
        std::vector<Affine> fits(kGroups), expected(kGroups);
        std::vector<std::uint8_t> codes(x.size()), wanted(x.size());
        GetParam()->affine_fits(x.data(), weights.data(), kGroups, size, top, steps, fits.data(),
                                codes.data());
        kScalarSearch.affine_fits(x.data(), weights.data(), kGroups, size, top, steps,
                                  expected.data(), wanted.data());
        EXPECT_EQ(codes, wanted);
        for (std::size_t j = 0; j < kGroups; ++j) {
          EXPECT_EQ(std::memcmp(&fits[j], &expected[j], sizeof(Affine)), 0)
              << j << ": " << fits[j].scale << " " << fits[j].min << ", not " << expected[j].scale
              << " " << expected[j].min;
        }
      }
    }
  }
}

TEST_P(Searches, SymmetricScales) {
  for (const std::size_t size : {std::size_t{16}, std::size_t{32}}) {
    for (const int half : {4, 8, 16, 32}) {
      for (const bool weighted : {false, true}) {
        const auto x = groups_of(size, 3), weights = weights_of(x.size(), 4);
        std::vector<float> scales(kGroups), expected(kGroups);
        std::vector<std::uint8_t> codes(x.size()), wanted(x.size());
        const float* w = weighted ? weights.data() : nullptr;
        GetParam()->symmetric_scales(x.data(), w, kGroups, size, half, scales.data(), codes.data());
        kScalarSearch.symmetric_scales(x.data(), w, kGroups, size, half, expected.data(),
                                       wanted.data());
        EXPECT_EQ(codes, wanted) << half;
        EXPECT_TRUE(same(scales, expected)) << half;
      }
    }
  }
}

TEST_P(Searches, Descents) {
  const auto x = groups_of(16, 9);
  std::vector<float> scales(kGroups), expected(kGroups);
  std::vector<std::uint8_t> codes(x.size()), wanted(x.size());
  GetParam()->descents(x.data(), kGroups, 16, 4, scales.data(), codes.data());
  kScalarSearch.descents(x.data(), kGroups, 16, 4, expected.data(), wanted.data());
  EXPECT_EQ(codes, wanted);
  EXPECT_TRUE(same(scales, expected));
}

TEST_P(Searches, PlainRounding) {
  auto x = groups_of(32, 10);
  x[5] = -(x[9] = 3);  // two extremes of one size
  std::fill_n(x.begin() + 64, 32, -0.0f);
  for (std::size_t i = 128; i < 160; ++i) x[i] = i % 3 == 0 ? -0.0f : i % 3 == 1 ? 0.0f : x[i];
  for (std::size_t i = 0; i < 32; ++i) x[32 + i] = static_cast<float>(i) - 127.5f;  // halves
  std::vector<float> scales(kGroups), expected(kGroups);
  std::vector<std::uint8_t> codes(x.size()), wanted(x.size());
  for (const int half : {8, 16}) {
    GetParam()->plain_symmetric(x.data(), kGroups, half, scales.data(), codes.data());
    kScalarSearch.plain_symmetric(x.data(), kGroups, half, expected.data(), wanted.data());
    EXPECT_EQ(codes, wanted);
    EXPECT_TRUE(same(scales, expected));
    std::vector<Affine> fits(kGroups), exact(kGroups);
    GetParam()->plain_affine(x.data(), kGroups, 2 * half - 1, fits.data(), codes.data());
    kScalarSearch.plain_affine(x.data(), kGroups, 2 * half - 1, exact.data(), wanted.data());
    EXPECT_EQ(codes, wanted);
    EXPECT_EQ(std::memcmp(fits.data(), exact.data(), kGroups * sizeof(Affine)), 0);
  }
  GetParam()->plain_bytes(x.data(), kGroups, scales.data(), codes.data());
  kScalarSearch.plain_bytes(x.data(), kGroups, expected.data(), wanted.data());
  EXPECT_EQ(codes, wanted);
  EXPECT_TRUE(same(scales, expected));
}

TEST_P(Searches, Halves) {
  auto x = groups_of(32, 11);
  const float strange[] = {0.0f,     -0.0f,       65504.0f,   65519.9f,
                           65520.0f, -1e30f,      0x1p-14f,   0x1.8p-24f,
                           0x1p-25f, -0x1.8p-25f, 0x1.002p0f, 0x1.006p0f};  // ties, too
  std::copy(std::begin(strange), std::end(strange), x.begin());
  for (std::size_t i = 32; i < 64; ++i) x[i] *= 0x1p-18f;  // subnormal
  std::vector<std::uint16_t> halves(x.size() - 3);         // a tail
  GetParam()->halves(x.data(), halves.size(), halves.data());
  for (std::size_t i = 0; i < halves.size(); ++i) EXPECT_EQ(halves[i], float_to_f16(x[i])) << x[i];
  std::vector<std::uint16_t> all(0x10001);  // and a tail
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  std::vector<float> floats(all.size());
  GetParam()->from_halves(std::as_bytes(std::span(all)).data(), all.size(), floats.data());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const float expected = f16_to_float(all[i]);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(floats[i])) << i;
    } else {
      EXPECT_EQ(std::bit_cast<std::uint32_t>(floats[i]), std::bit_cast<std::uint32_t>(expected))
          << i;
    }
  }
}

TEST_P(Searches, Levels) {
  const auto x = groups_of(32, 5), weights = weights_of(x.size(), 6);
  std::vector<float> scales(kGroups), expected(kGroups), inverses;
  GetParam()->level_scales(x.data(), weights.data(), kGroups, scales.data());
  kScalarSearch.level_scales(x.data(), weights.data(), kGroups, expected.data());
  EXPECT_TRUE(same(scales, expected));
  for (const float scale : scales) inverses.push_back(scale != 0 ? 1 / scale : 0);
  std::vector<std::uint8_t> codes(x.size()), wanted(x.size());
  GetParam()->level_codes(x.data(), inverses.data(), kGroups, codes.data());
  kScalarSearch.level_codes(x.data(), inverses.data(), kGroups, wanted.data());
  EXPECT_EQ(codes, wanted);
}

TEST_P(Searches, CodesAndWeights) {
  const auto x = groups_of(32, 7), importance = weights_of(x.size(), 8);
  std::vector<std::uint8_t> codes(x.size()), wanted(x.size());
  GetParam()->affine_codes(x.data(), x.size(), 0.003f, 0.02f, 4, 15, codes.data());
  kScalarSearch.affine_codes(x.data(), x.size(), 0.003f, 0.02f, 4, 15, wanted.data());
  EXPECT_EQ(codes, wanted);
  std::vector<float> weights(x.size()), expected(x.size());
  GetParam()->importance_weights(x.data(), importance.data(), x.size(), 0.1f, weights.data());
  kScalarSearch.importance_weights(x.data(), importance.data(), x.size(), 0.1f, expected.data());
  EXPECT_TRUE(same(weights, expected));
}

INSTANTIATE_TEST_SUITE_P(Tables, Searches, testing::ValuesIn(supported_searches()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace limbeck::codec
