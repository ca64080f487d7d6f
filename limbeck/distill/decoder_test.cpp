// The decoder's gradients by finite differences, for every family's peculiarities; and its
// independence of how rows are packed.
#include "limbeck/distill/decoder.h"

#include <gtest/gtest.h>

#include "limbeck/distill/head.h"
#include "limbeck/model/families.h"

namespace limbeck::distill {
namespace {

Architecture small(Family family) {
  Architecture a = family_info(family).defaults;
  a.family = family;
  a.vocab_size = 29;
  a.context_length = 16;
  a.hidden = 12;
  a.layers = 3;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_dim = 6;
  a.ffn = 10;
  a.rope_dim = a.positions == Positions::rope ? 4 : 0;
  a.attention_scale = 0.4;
  a.rope_theta = 100;
  a.sliding_window = a.sliding_pattern > 1 ? 3 : 0;
  if (a.logit_softcap > 0) a.logit_softcap = 2;
  if (a.attention_softcap > 0) a.attention_softcap = 1;
  return a;
}

std::shared_ptr<Parameters> randomized(const Architecture& a, at::ScalarType type,
                                       at::ScalarType compute) {
  auto p = std::make_shared<Parameters>(a, ParameterOptions{type, compute, at::kCPU, true});
  p->randomize(4);
  p->value.add_(at::randn_like(p->value) * 0.2);  // biases and norms too
  p->update_compute();
  return p;
}

const std::vector<std::vector<TokenId>> kPrompts = {
    {1, 5, 9, 28, 3, 7, 5, 0, 11}, {2, 2, 4, 6, 8, 10}, {13, 14}};

std::vector<std::span<const TokenId>> views() { return {kPrompts.begin(), kPrompts.end()}; }

at::Tensor loss_of(const TorchDecoder& decoder, LossSums& sums) {
  const auto batch = pack(views());
  HeadTargets targets;
  for (std::int64_t i = 0; i < batch.tokens.numel(); ++i) {
    targets.labels.push_back(static_cast<TokenId>((i * 5 + 1) % 29));
  }
  return head_loss(decoder.hidden(batch), decoder.output(), targets,
                   {.loss = {}, .softcap = decoder.architecture().logit_softcap, .scale = 1}, sums);
}

class DecoderOf : public testing::TestWithParam<Family> {
 protected:
  DecoderOf() {
    torch::manual_seed(9);
    at::set_num_threads(1);
  }
};
INSTANTIATE_TEST_SUITE_P(Families, DecoderOf,
                         testing::Values(Family::llama, Family::mistral, Family::qwen2,
                                         Family::qwen3, Family::gemma2, Family::gemma3,
                                         Family::phi3, Family::gpt2, Family::gpt_neox),
                         [](const auto& family) { return std::string(name(family.param)); });

TEST_P(DecoderOf, GradientEqualsFiniteDifferences) {
  const auto p = randomized(small(GetParam()), at::kDouble, at::kDouble);
  const TorchDecoder decoder(p);
  LossSums sums;
  loss_of(decoder, sums).backward();
  at::NoGradGuard no_grad;
  for (const auto& slot : p->slots()) {  // each tensor on its own: none may be left out
    const auto direction = at::randn({slot.count}, at::kDouble);
    const double slope =
        (p->grad.narrow(0, slot.offset, slot.count) * direction).sum().item<double>();
    auto weights = p->value.narrow(0, slot.offset, slot.count);
    const double step = 1e-5;
    LossSums up, down;
    weights.add_(direction, step);
    loss_of(decoder, up);
    weights.add_(direction, -2 * step);
    loss_of(decoder, down);
    weights.add_(direction, step);
    EXPECT_NEAR(slope, (up.total - down.total) / (2 * step), 1e-5 * (1 + std::abs(slope)))
        << slot.name;
  }
}

TEST_P(DecoderOf, FloatAndBfloat16AgreeWithDouble) {
  const auto a = small(GetParam());
  const auto exact = randomized(a, at::kDouble, at::kDouble);
  const auto grad_of = [&](at::ScalarType compute) {
    const auto p =
        std::make_shared<Parameters>(a, ParameterOptions{at::kFloat, compute, at::kCPU, true});
    p->value.copy_(exact->value);
    p->update_compute();
    LossSums sums;
    loss_of(TorchDecoder(p), sums).backward();
    return std::pair(p->grad.to(at::kDouble), sums.total);
  };
  LossSums sums;
  loss_of(TorchDecoder(exact), sums).backward();
  const double norm = exact->grad.norm().item<double>();
  const auto [single, single_total] = grad_of(at::kFloat);
  EXPECT_NEAR(single_total / sums.total, 1, 1e-5);
  EXPECT_LT((single - exact->grad).norm().item<double>() / norm, 1e-4);
  const auto [half, half_total] = grad_of(at::kBFloat16);
  EXPECT_NEAR(half_total / sums.total, 1, 0.02);
  // Eight bits a product; libtorch's sums of them differ between processors.
  EXPECT_LT((half - exact->grad).norm().item<double>() / norm, 0.2);
}

TEST_P(DecoderOf, RecomputedGradientsAreTheSame) {
  for (const auto compute : {at::kFloat, at::kBFloat16}) {
    const auto grad_of = [&](bool recompute) {
      torch::manual_seed(9);
      const auto p = randomized(small(GetParam()), at::kFloat, compute);
      TorchDecoder decoder(p);
      decoder.recompute = recompute;
      LossSums sums;
      loss_of(decoder, sums).backward();
      return p->grad;
    };
    EXPECT_TRUE(at::equal(grad_of(false), grad_of(true)));
  }
}

TEST_P(DecoderOf, RowsPackedTogetherGiveWhatTheyGiveAlone) {
  at::NoGradGuard no_grad;
  const TorchDecoder decoder(randomized(small(GetParam()), at::kDouble, at::kDouble));
  const auto together = decoder.logits(pack(views()));
  std::int64_t at = 0;
  for (const auto& row : kPrompts) {
    const std::span<const TokenId> view = row;
    const auto alone = decoder.logits(pack({&view, 1}));
    EXPECT_TRUE(at::allclose(together.narrow(0, at, alone.size(0)), alone, 1e-10, 1e-10));
    at += alone.size(0);
  }
}

TEST(Decoder, LaterTokensDoNotChangeEarlierLogits) {
  at::NoGradGuard no_grad;
  const TorchDecoder decoder(randomized(small(Family::llama), at::kFloat, at::kFloat));
  std::vector<TokenId> tokens{1, 2, 3, 4, 5};
  const auto logits = [&] {
    const std::span<const TokenId> view = tokens;
    return decoder.logits(pack({&view, 1}));
  };
  const auto before = logits();
  tokens[4] = 20;
  EXPECT_TRUE(at::allclose(before.narrow(0, 0, 4), logits().narrow(0, 0, 4), 1e-6, 1e-6));
}

}  // namespace
}  // namespace limbeck::distill
