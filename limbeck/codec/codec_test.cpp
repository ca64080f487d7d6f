#include "limbeck/codec/codec.h"

#include <gtest/gtest.h>

#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/codec/golden_rows.h"
#include "limbeck/codec/grid_format.h"
#include "limbeck/codec/table_format.h"

namespace limbeck {
namespace {

std::vector<TensorType> encodable_types() {
  std::vector<TensorType> types;
  for (const TensorTypeInfo& row : tensor_types()) {
    if (can_encode(row.type)) types.push_back(row.type);
  }
  return types;
}

std::vector<float> round_trip(TensorType type, const std::vector<float>& x,
                              const std::vector<float>& importance = {}) {
  std::vector<std::byte> bytes(row_bytes(type, static_cast<std::int64_t>(x.size())));
  encode_row(type, x, bytes, importance);
  std::vector<float> decoded(x.size());
  decode_row(type, bytes, decoded);
  return decoded;
}

double relative_error(const std::vector<float>& x, const std::vector<float>& decoded) {
  double error = 0, power = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    error += std::pow(double{x[i]} - double{decoded[i]}, 2);
    power += std::pow(double{x[i]}, 2);
  }
  return error / power;
}

class Codecs : public testing::TestWithParam<TensorType> {};

TEST_P(Codecs, KeepsZerosAndNeverGivesNaN) {
  for (const float value : round_trip(GetParam(), std::vector<float>(512, 0.0f))) {
    EXPECT_EQ(value, 0.0f);
  }
  const std::vector<float> nothing_counts(512, 0.0f);
  for (const float size : {1e-45f, 1e-38f, 1e-30f, 1e-10f, 1.0f, 3e4f}) {
    std::vector<float> x(512, size);
    x[3] = -size;
    for (const auto& importance : {std::vector<float>{}, nothing_counts}) {
      for (const float value : round_trip(GetParam(), x, importance)) {
        ASSERT_TRUE(std::isfinite(value)) << size;
      }
    }
  }
}

// Squared relative error on near-normal weights: each bit less costs a factor of about 4.
TEST_P(Codecs, LosesNoMoreThanItsBitsMust) {
  const TensorTypeInfo& type = info(GetParam());
  const double bits =
      8 * static_cast<double>(type.block_bytes) / static_cast<double>(type.block_weights);
  const bool ternary = GetParam() == TensorType::tq1_0 || GetParam() == TensorType::tq2_0;
  const double bound = ternary                          ? 1.0
                       : GetParam() == TensorType::f16  ? std::pow(2.0, -22)
                       : GetParam() == TensorType::bf16 ? std::pow(2.0, -16)
                                                        : 2.9 * std::pow(4.0, -(bits - 0.5));
  EXPECT_LT(relative_error(golden::row(0), round_trip(GetParam(), golden::row(0))), bound);
}

TEST_P(Codecs, RefusesWeightsItsScalesCannotHold) {
  const bool wide = GetParam() == TensorType::f32 || GetParam() == TensorType::bf16 ||
                    GetParam() == TensorType::mxfp4;
  std::vector<std::byte> bytes(row_bytes(GetParam(), 512));
  std::vector<float> x = golden::row(0);
  x[7] = 1e25f;
  if (wide) {
    EXPECT_NO_THROW(encode_row(GetParam(), x, bytes));
  } else {
    EXPECT_THROW(encode_row(GetParam(), x, bytes), Error);
  }
}

TEST_P(Codecs, ChecksSizes) {
  std::vector<std::byte> bytes(row_bytes(GetParam(), 512) - 1);
  EXPECT_THROW(encode_row(GetParam(), golden::row(0), bytes), Error);
  std::vector<float> x(512);
  EXPECT_THROW(decode_row(GetParam(), bytes, x), Error);
  bytes.resize(bytes.size() + 1);
  EXPECT_THROW(encode_row(GetParam(), golden::row(0), bytes, std::vector<float>(511)), Error);
}

// Any bytes are some weights: taking a block apart and putting it together changes nothing.
TEST_P(Codecs, UnpacksAndPacksToTheSameBytes) {
  const GridFormat* format = find_grid_format(GetParam());
  if (!format) return;
  golden::SplitMix random(7);
  std::vector<std::byte> bytes(info(GetParam()).block_bytes), again(bytes.size());
  for (int trial = 0; trial < 200; ++trial) {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next() & 0x7b);  // no NaN
    UnpackedBlock block;
    unpack_block(*format, bytes.data(), block);
    pack_block(*format, block, again.data());
    ASSERT_EQ(bytes, again);
  }
}

TEST_P(Codecs, UnpacksAndPacksTablesAndAgreesOnTheirWeights) {
  const TableFormat* format = find_table_format(GetParam());
  if (!format) return;
  golden::SplitMix random(8);
  std::vector<std::byte> bytes(info(GetParam()).block_bytes), again(bytes.size());
  std::vector<float> weights(256), decoded(256);
  for (int trial = 0; trial < 200; ++trial) {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next() & 0xff);
    bytes[1] &= std::byte{0x7b};  // d is a number
    TableBlock block;
    unpack_block(*format, bytes.data(), block);
    pack_block(*format, block, again.data());
    ASSERT_EQ(bytes, again);
    block_weights(*format, block, weights.data());
    decode_row(GetParam(), bytes, decoded);
    ASSERT_EQ(weights, decoded);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Codecs, testing::ValuesIn(encodable_types()), [](const auto& test) {
  return std::string(limbeck::info(test.param).name);
});

TEST(Codec, RefusesIntegersAndBadMxfp4Scales) {
  std::vector<float> weights(32);
  std::vector<std::byte> bytes(128);
  EXPECT_THROW(decode_row(TensorType::i32, bytes, weights), Error);
  EXPECT_THROW(encode_row(TensorType::f64, weights, bytes), Error);
  bytes.assign(17, std::byte{255});
  EXPECT_THROW(decode_row(TensorType::mxfp4, bytes, weights), Error);
}

}  // namespace
}  // namespace limbeck
