#include "limbeck/quantize/round_tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "limbeck/base/error.h"
#include "limbeck/base/f16.h"
#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"

namespace limbeck {
namespace {

Weight float_weight(std::int64_t rows, std::int64_t columns, std::vector<float> values = {}) {
  Random random(3);
  values.resize(static_cast<std::size_t>(rows * columns));
  for (float& value : values) value += static_cast<float>(0.02 * random.normal());
  const auto bytes = std::as_bytes(std::span(values));
  auto owned = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  return {TensorType::f32, rows, columns, *owned, owned};
}

TEST(RoundTensor, IsRoundingOfRowsWithItsTrueError) {
  const Weight weight = float_weight(300, 512);
  ThreadPool pool(2);
  const RoundedTensor rounded = round_tensor(weight, "w", TensorType::q4_k, {}, OnNan::fail, pool);
  const std::size_t size = row_bytes(TensorType::q4_k, 512);
  double error = 0, norm = 0;
  std::vector<float> row(512), decoded(512);
  std::vector<std::byte> bytes(size);
  for (std::size_t r = 0; r < 300; ++r) {
    read_rows(weight, "w", static_cast<std::int64_t>(r), row, OnNan::fail);
    encode_row(TensorType::q4_k, row, bytes);
    ASSERT_TRUE(std::equal(bytes.begin(), bytes.end(),
                           rounded.bytes.begin() + static_cast<std::ptrdiff_t>(r * size)));
    decode_row(TensorType::q4_k, bytes, decoded);
    for (std::size_t i = 0; i < 512; ++i) {
      error += std::pow(double{row[i]} - double{decoded[i]}, 2);
      norm += std::pow(double{row[i]}, 2);
    }
  }
  EXPECT_NEAR(rounded.relative_error(), error / norm, 1e-12);
  EXPECT_GT(rounded.relative_error(), 0.001);
}

TEST(RoundTensor, GivesTheSameBytesAndErrorForEveryNumberOfThreads) {
  const Weight weight = float_weight(1000, 256);
  ThreadPool one(1), three(3);
  const auto a = round_tensor(weight, "w", TensorType::q3_k, {}, OnNan::fail, one);
  const auto b = round_tensor(weight, "w", TensorType::q3_k, {}, OnNan::fail, three);
  EXPECT_EQ(a.bytes, b.bytes);
  EXPECT_EQ(a.squared_error, b.squared_error);
}

TEST(RoundTensor, NamesTheRowOfANaN) {
  std::vector<float> values(4 * 32);
  values[2 * 32 + 5] = std::numeric_limits<float>::quiet_NaN();
  const Weight weight = float_weight(4, 32, values);
  ThreadPool pool(1);
  try {
    round_tensor(weight, "blk.0.ffn_up.weight", TensorType::q8_0, {}, OnNan::fail, pool);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::numeric);
    EXPECT_STREQ(error.what(), "tensor 'blk.0.ffn_up.weight' has a NaN in row 2, column 5");
  }
  const auto rounded = round_tensor(weight, "w", TensorType::q8_0, {}, OnNan::zero, pool);
  std::vector<float> decoded(4 * 32);
  decode_row(TensorType::q8_0, rounded.bytes, decoded);
  EXPECT_EQ(decoded[2 * 32 + 5], 0.0f);
  EXPECT_TRUE(std::isfinite(rounded.relative_error()));
}

TEST(RoundTensor, CopiesWhatHasTheTypeAlready) {
  const Weight weight = float_weight(8, 256);
  ThreadPool pool(1);
  auto once = round_tensor(weight, "w", TensorType::q4_k, {}, OnNan::fail, pool);
  const auto owned = std::make_shared<std::vector<std::byte>>(once.bytes);
  const Weight quantized{TensorType::q4_k, 8, 256, *owned, owned};
  const auto twice = round_tensor(quantized, "w", TensorType::q4_k, {}, OnNan::fail, pool);
  EXPECT_EQ(once.bytes, twice.bytes);
  EXPECT_EQ(twice.squared_error, 0);
}

TEST(RoundTensor, WiderTypesHoldQ4_0Exactly) {
  const Weight weight = float_weight(8, 256);
  ThreadPool pool(1);
  const auto rounded = round_tensor(weight, "w", TensorType::q4_0, {}, OnNan::fail, pool);
  const auto owned = std::make_shared<std::vector<std::byte>>(rounded.bytes);
  const Weight q4_0{TensorType::q4_0, 8, 256, *owned, owned};
  for (const TensorType type : {TensorType::q4_0, TensorType::q4_1, TensorType::q5_0}) {
    const auto exact = recode_exactly(q4_0, "w", type, pool);
    ASSERT_TRUE(exact) << info(type).name;
    EXPECT_EQ(exact->squared_error, 0) << info(type).name;
    EXPECT_GT(exact->squared_norm, 0);
  }
  EXPECT_FALSE(recode_exactly(q4_0, "w", TensorType::q4_k, pool));
  EXPECT_FALSE(recode_exactly(q4_0, "w", TensorType::bf16, pool));
  EXPECT_FALSE(recode_exactly(weight, "w", TensorType::q4_0, pool));
}

// What plain rounding loses of a lattice: a block whose largest code is not -8 gets another scale.
TEST(RoundTensor, FloatsOnALatticeKeepIt) {
  Random random(3);
  std::vector<float> values(4 * 64);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = f16_to_float(float_to_f16(0.013f)) * std::floor(float(random.uniform()) * 13 - 6);
  }
  const auto owned = std::make_shared<std::vector<std::byte>>(row_bytes(TensorType::bf16, 4 * 64));
  encode_row(TensorType::bf16, values, *owned);
  const Weight stored{TensorType::bf16, 4, 64, *owned, owned};
  ThreadPool pool(1);
  const auto exact = recode_exactly(stored, "w", TensorType::q4_0, pool);
  ASSERT_TRUE(exact);
  std::vector<float> decoded(values.size());
  decode_row(TensorType::q4_0, exact->bytes, decoded);
  std::vector<std::byte> again(owned->size());
  encode_row(TensorType::bf16, decoded, again);
  EXPECT_EQ(again, *owned);
  EXPECT_LT(exact->relative_error(), 1e-5);  // of bf16
  const auto plain = round_tensor(stored, "w", TensorType::q4_0, {}, OnNan::fail, pool);
  EXPECT_GT(plain.relative_error(), 1e-3);
}

}  // namespace
}  // namespace limbeck
