// Adapters: gradients by finite differences, the merged model, and what may not change.
#include "limbeck/distill/lora.h"

#include <gtest/gtest.h>

#include "limbeck/base/error.h"
#include "limbeck/distill/decoder.h"
#include "limbeck/distill/head.h"
#include "limbeck/distill/lora_targets.h"
#include "limbeck/model/families.h"

namespace limbeck::distill {
namespace {

Architecture small(Family family) {
  Architecture a = family_info(family).defaults;
  a.family = family;
  a.vocab_size = 29;
  a.context_length = 16;
  a.hidden = 12;
  a.layers = 2;
  a.heads = 4;
  a.kv_heads = family == Family::gpt2 ? 4 : 2;
  a.head_dim = 6;
  a.ffn = 10;
  a.rope_dim = a.positions == Positions::rope ? 6 : 0;
  a.attention_scale = 0.4;
  return a;
}

const std::vector<std::vector<TokenId>> kLoraRows = {{1, 5, 9, 28, 3, 7}, {2, 2, 4, 6}};

TokenBatch batch() {
  const std::vector<std::span<const TokenId>> views(kLoraRows.begin(), kLoraRows.end());
  return pack(views);
}

double loss_of(const TorchDecoder& decoder, bool backward = false) {
  HeadTargets targets;
  for (int i = 0; i < 10; ++i) targets.labels.push_back(static_cast<TokenId>((i * 5 + 1) % 29));
  LossSums sums;
  const auto loss = head_loss(decoder.hidden(batch()), decoder.output(), targets, {}, sums);
  if (backward) loss.backward();
  return sums.total;
}

struct Setup {
  std::shared_ptr<Parameters> base;
  std::unique_ptr<Adapters> adapters;
};

Setup setup(Family family, std::vector<std::string> targets, at::ScalarType type = at::kDouble) {
  torch::manual_seed(5);
  at::set_num_threads(1);
  const auto a = small(family);
  Setup s;
  s.base = std::make_shared<Parameters>(a, ParameterOptions{type, type, at::kCPU, false});
  s.base->randomize(3);
  s.base->value.add_(at::randn_like(s.base->value) * 0.2);
  s.adapters = std::make_unique<Adapters>(a, LoraOptions{3, 5, std::move(targets)},
                                          std::vector<TensorSpec>{},
                                          ParameterOptions{type, type, at::kCPU, true}, 7);
  return s;
}

void disturb(Parameters& p) {  // B is zero at first
  p.value.add_(at::randn_like(p.value) * 0.3);
  p.update_compute();
}

TEST(Lora, StartsAsTheBase) {
  const auto s = setup(Family::llama, {});
  EXPECT_DOUBLE_EQ(loss_of(TorchDecoder(s.base, s.adapters.get())), loss_of(TorchDecoder(s.base)));
}

TEST(Lora, GradientEqualsFiniteDifferences) {
  for (const auto family : {Family::llama, Family::gpt2}) {
    for (const auto& targets :
         std::vector<std::vector<std::string>>{{}, {"q_proj", "v"}, {"k", "down"}}) {
      const auto s = setup(family, targets);
      Parameters& p = *s.adapters->parameters();
      disturb(p);
      const TorchDecoder decoder(s.base, s.adapters.get());
      loss_of(decoder, true);
      at::NoGradGuard no_grad;
      EXPECT_EQ(p.slots().empty(), false);
      for (const auto& slot : p.slots()) {
        const auto direction = at::randn({slot.count}, at::kDouble);
        const double slope =
            (p.grad.narrow(0, slot.offset, slot.count) * direction).sum().item<double>();
        auto weights = p.value.narrow(0, slot.offset, slot.count);
        weights.add_(direction, 1e-5);
        const double up = loss_of(decoder);
        weights.add_(direction, -2e-5);
        const double down = loss_of(decoder);
        weights.add_(direction, 1e-5);
        EXPECT_NEAR(slope, (up - down) / 2e-5, 1e-5 * (1 + std::abs(slope))) << slot.name;
        EXPECT_GT(std::abs(slope), 1e-9) << slot.name;
      }
    }
  }
}

TEST(Lora, MergedModelGivesTheLogitsOfBaseAndAdapters) {
  at::NoGradGuard no_grad;
  for (const auto& targets : std::vector<std::vector<std::string>>{{}, {"q", "v", "up"}}) {
    const auto s = setup(Family::llama, targets);
    disturb(*s.adapters->parameters());
    const auto before = s.base->value.clone();
    const auto expected = TorchDecoder(s.base, s.adapters.get()).logits(batch());
    const auto merged = std::make_shared<Parameters>(
        s.base->architecture(), ParameterOptions{at::kDouble, at::kDouble, at::kCPU, false});
    merged->value.copy_(s.adapters->merged(*s.base, s.adapters->parameters()->value));
    EXPECT_TRUE(at::allclose(TorchDecoder(merged).logits(batch()), expected, 1e-9, 1e-9));
    EXPECT_FALSE(at::allclose(TorchDecoder(s.base).logits(batch()), expected, 1e-3, 1e-3));
    EXPECT_TRUE(at::equal(before, s.base->value));
  }
}

TEST(Lora, ANarrowBaseGivesWhatItsRoundedWeightsGive) {
  const auto s = setup(Family::qwen2, {}, at::kFloat);
  const auto a = s.base->architecture();
  const auto narrow = std::make_shared<Parameters>(
      a, ParameterOptions{at::kBFloat16, at::kBFloat16, at::kCPU, false});
  narrow->value.copy_(s.base->value);
  const auto wide =
      std::make_shared<Parameters>(a, ParameterOptions{at::kFloat, at::kBFloat16, at::kCPU, false});
  wide->value.copy_(narrow->value);
  wide->update_compute();
  EXPECT_DOUBLE_EQ(loss_of(TorchDecoder(narrow)), loss_of(TorchDecoder(wide)));
}

TEST(Lora, TargetsHaveManyNames) {
  EXPECT_EQ(lora_target("q"), "attn_q");
  EXPECT_EQ(lora_target("down_proj"), "ffn_down");
  EXPECT_EQ(lora_target("attn_output"), "attn_output");
  EXPECT_EQ(lora_target("lm_head"), "");
  EXPECT_THROW(setup(Family::gpt2, {"gate"}), Error);
}

}  // namespace
}  // namespace limbeck::distill
