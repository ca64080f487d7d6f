#include "limbeck/codec/scale_fields.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "limbeck/base/f16.h"
#include "limbeck/codec/codec.h"
#include "limbeck/codec/golden_rows.h"

namespace limbeck {
namespace {

std::vector<TensorType> block_types() {
  std::vector<TensorType> types;
  for (const TensorTypeInfo& row : tensor_types()) {
    if (can_encode(row.type) && is_quantized(row.type) && row.type != TensorType::mxfp4) {
      types.push_back(row.type);
    }
  }
  return types;
}

class ScaleFields : public testing::TestWithParam<TensorType> {
 protected:
  ScaleFields() : bytes(row_bytes(GetParam(), kWeights)) {
    encode_row(GetParam(), golden::row(0), bytes);
  }
  // Every block's field `which` set to `value`.
  void set(std::size_t which, float value) {
    const std::uint16_t half = float_to_f16(value);
    const std::size_t size = info(GetParam()).block_bytes;
    for (std::size_t at = scale_fields(GetParam())[which]; at < bytes.size(); at += size) {
      std::memcpy(bytes.data() + at, &half, sizeof half);
    }
  }
  std::vector<float> decoded() const {
    std::vector<float> weights(kWeights);
    decode_row(GetParam(), bytes, weights);
    return weights;
  }
  static constexpr std::int64_t kWeights = 512;
  std::vector<std::byte> bytes;
};

TEST_P(ScaleFields, AreAllThatScalesABlock) {
  const auto fields = scale_fields(GetParam());
  ASSERT_FALSE(fields.empty());
  std::vector<double> sum(kWeights);
  for (std::size_t which = 0; which < fields.size(); ++which) {
    for (std::size_t other = 0; other < fields.size(); ++other) set(other, 0);
    for (const float value : decoded()) ASSERT_EQ(value, 0.0f);
    set(which, 1);
    const auto one = decoded();
    double most = 0;
    for (std::size_t i = 0; i < sum.size(); ++i) {
      sum[i] += double{one[i]} * (which == 0 ? 0.375 : -0.75);
      most = std::max(most, std::fabs(double{one[i]}));
    }
    EXPECT_GT(most, 0);  // each field does something
  }
  set(0, 0.375f);
  if (fields.size() > 1) set(1, -0.75f);
  const auto both = decoded();
  for (std::size_t i = 0; i < sum.size(); ++i) {
    EXPECT_NEAR(both[i], sum[i], 1e-6 * std::max(1.0, std::fabs(sum[i]))) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, ScaleFields, testing::ValuesIn(block_types()),
                         [](const auto& test) {
                           return std::string(limbeck::info(test.param).name);
                         });

TEST(ScaleFieldsOf, PlainNumbersAndPowersOfTwoThereAreNone) {
  for (const TensorType type :
       {TensorType::f32, TensorType::f16, TensorType::bf16, TensorType::mxfp4}) {
    EXPECT_TRUE(scale_fields(type).empty());
  }
}

}  // namespace
}  // namespace limbeck
