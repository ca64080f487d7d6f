// Training scales: gradients by finite differences, through a whole model too; and that nothing but
// the scales of a block ever changes.
#include "limbeck/distill/block_scales.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "limbeck/base/f16.h"
#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"
#include "limbeck/codec/scale_fields.h"
#include "limbeck/distill/decoder.h"
#include "limbeck/distill/head.h"

namespace limbeck::distill {
namespace {

constexpr std::int64_t kWeightRows = 3, kColumns = 512;

std::vector<float> normals(std::size_t n, double deviation, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(deviation * random.normal());
  return values;
}

std::vector<std::byte> encoded(TensorType type, std::span<const float> weights,
                               std::int64_t columns) {
  const std::size_t size = row_bytes(type, columns);
  const auto n = static_cast<std::size_t>(columns), rows = weights.size() / n;
  std::vector<std::byte> bytes(rows * size);
  for (std::size_t r = 0; r < rows; ++r) {
    encode_row(type, weights.subspan(r * n, n), std::span(bytes).subspan(r * size, size));
  }
  return bytes;
}

std::vector<TensorType> types_with_scales() {
  std::vector<TensorType> types;
  for (const TensorTypeInfo& row : tensor_types()) {
    if (!scale_fields(row.type).empty()) types.push_back(row.type);
  }
  return types;
}

class Scales : public testing::TestWithParam<TensorType> {
 protected:
  std::vector<std::byte> stored =
      encoded(GetParam(), normals(kWeightRows* kColumns, 0.05, 5), kColumns);
  BlockScales scales{GetParam(), kWeightRows, kColumns, stored};
  std::vector<float> factors = normals(static_cast<std::size_t>(scales.factors()), 0.03, 6);

  double loss(std::span<const float> slopes, std::span<const float> at) const {
    std::vector<float> weights(slopes.size());
    scales.decode(at, 0, kWeightRows, weights.data());
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) sum += double{slopes[i]} * double{weights[i]};
    return sum;
  }
};
INSTANTIATE_TEST_SUITE_P(Types, Scales, testing::ValuesIn(types_with_scales()),
                         [](const auto& test) {
                           return std::string(limbeck::info(test.param).name);
                         });

TEST_P(Scales, GradientIsThatOfFiniteDifferences) {
  const auto slopes = normals(kWeightRows * kColumns, 1, 7);
  std::vector<float> gradient(factors.size());
  scales.gradient(slopes.data(), 0, kWeightRows, gradient);
  double largest = 0;
  for (const float g : gradient) largest = std::max(largest, std::fabs(double{g}));
  // Linear but for the rounding to binary16, of which a wide step leaves little: 2^-11 / .25.
  for (std::size_t i = 0; i < factors.size(); ++i) {
    auto up = factors, down = factors;
    up[i] += 0.25f;
    down[i] -= 0.25f;
    EXPECT_NEAR(gradient[i], (loss(slopes, up) - loss(slopes, down)) / 0.5, 4e-3 * largest) << i;
  }
}

TEST_P(Scales, ChangeNoOtherBit) {
  std::vector<std::byte> bytes(stored.size());
  scales.encode(factors, 0, kWeightRows, bytes);
  const std::size_t size = info(GetParam()).block_bytes;
  std::size_t changed = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    bool scale = false;
    for (const std::size_t field : scale_fields(GetParam())) {
      scale = scale || at % size - field < 2;
    }
    if (scale) {
      changed += bytes[at] != stored[at];
    } else {
      ASSERT_EQ(bytes[at], stored[at]) << at;
    }
  }
  EXPECT_GT(changed, 0u);
  // What is trained on is what the file's reader makes of these bytes.
  std::vector<float> trained(kWeightRows * kColumns), read(kColumns);
  scales.decode(factors, 0, kWeightRows, trained.data());
  for (std::size_t r = 0; r < kWeightRows; ++r) {
    const std::size_t row = row_bytes(GetParam(), kColumns);
    decode_row(GetParam(), std::span(bytes).subspan(r * row, row), read);
    EXPECT_EQ(std::memcmp(read.data(), trained.data() + r * kColumns, kColumns * 4), 0);
  }
  scales.encode(std::vector<float>(factors.size()), 0, kWeightRows, bytes);
  EXPECT_EQ(bytes, stored);
}

TEST(ScalesOf, StayAsTheyWereWhereAHalfCannotHoldThem) {
  std::vector<std::byte> stored(row_bytes(TensorType::q8_0, 32));
  const std::uint16_t large = float_to_f16(60000), small = float_to_f16(0x1p-20f);
  std::memcpy(stored.data(), &large, 2);
  std::vector<std::byte> bytes(stored.size());
  const std::vector<float> more{0.5f};
  BlockScales(TensorType::q8_0, 1, 32, stored).encode(more, 0, 1, bytes);
  EXPECT_EQ(bytes, stored);
  std::memcpy(stored.data(), &small, 2);  // of few digits
  BlockScales(TensorType::q8_0, 1, 32, stored).encode(more, 0, 1, bytes);
  std::uint16_t now = 0;
  std::memcpy(&now, bytes.data(), 2);
  EXPECT_EQ(f16_to_float(now), 1.5f * 0x1p-20f);
}

// Through the whole model, by the divergence from another one, in double precision.
TEST(ScalesOf, AModelHaveTheGradientOfItsDivergence) {
  Architecture a;
  a.vocab_size = 41;
  a.context_length = 16;
  a.hidden = 32;
  a.layers = 2;
  a.heads = a.kv_heads = 4;
  a.head_dim = a.rope_dim = 8;
  a.ffn = 64;
  a.attention_scale = 0.4;
  a.tied_embeddings = true;
  auto student =
      std::make_shared<Parameters>(a, ParameterOptions{at::kDouble, at::kDouble, at::kCPU, true});
  student->randomize(4);
  torch::manual_seed(2);
  student->value.add_(at::randn_like(student->value) * 0.1);
  const TorchDecoder decoder(student);
  const std::vector<TokenId> row{1, 5, 9, 40, 3, 7, 5, 0, 11, 2};
  const std::span<const TokenId> view(row);
  HeadTargets targets;
  targets.labels.resize(row.size());
  targets.teacher_hidden = at::randn({static_cast<std::int64_t>(row.size()), 32}, at::kDouble);
  targets.teacher_output = at::randn({41, 32}, at::kDouble) * 0.3;
  const auto divergence = [&] {
    LossSums sums;
    const auto value = head_loss(decoder.hidden(pack({&view, 1})), decoder.output(), targets,
                                 {.loss = {.kind = Loss::forward_kl, .soft_weight = 1}}, sums);
    if (value.requires_grad()) value.backward();
    return sums.total;
  };
  for (const char* name : {"token_embd.weight", "blk.0.attn_k.weight", "blk.1.ffn_down.weight"}) {
    const ParameterSlot& slot = *student->find(name);
    const auto weights = student->value.narrow(0, slot.offset, slot.count);
    const auto single = weights.to(at::kFloat);
    const std::span floats(elements<float>(single), static_cast<std::size_t>(slot.count));
    const BlockScales scales(TensorType::q4_1, slot.shape[0], slot.shape[1],
                             encoded(TensorType::q4_1, floats, slot.shape[1]));
    std::vector<float> factors(static_cast<std::size_t>(scales.factors()));
    const auto apply = [&] {
      scales.decode(factors, 0, scales.rows(), elements<float>(single));
      at::NoGradGuard no_grad;
      weights.copy_(single);
    };
    apply();
    student->grad.zero_();
    divergence();
    const auto of_weights = student->grad.narrow(0, slot.offset, slot.count).to(at::kFloat);
    std::vector<float> gradient(factors.size());
    scales.gradient(elements<float>(of_weights), 0, scales.rows(), gradient);
    for (std::size_t i = 0; i < factors.size(); i += factors.size() / 7) {
      at::NoGradGuard no_grad;
      constexpr float kStep = 0.03f;  // a curve's third order against the rounding of binary16
      double side[2];
      for (const int s : {0, 1}) {
        factors[i] = s == 0 ? -kStep : kStep;
        apply();
        side[s] = divergence();
      }
      factors[i] = 0;
      apply();
      const double slope = (side[1] - side[0]) / (2 * double{kStep});
      EXPECT_NEAR(gradient[i], slope, 0.03 * std::fabs(slope) + 2e-3) << name << ' ' << i;
    }
  }
}

}  // namespace
}  // namespace limbeck::distill
