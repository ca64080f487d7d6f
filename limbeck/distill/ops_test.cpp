// The vector kernels against the same operations made of torch's, whose gradients autograd finds.
#include "limbeck/distill/ops.h"

#include <gtest/gtest.h>

#include "limbeck/distill/attention.h"

namespace limbeck::distill {
namespace {

Parameter parameter(const at::Tensor& value, at::ScalarType compute) {
  return {value, value.to(compute), at::zeros_like(value)};
}

double relative(const at::Tensor& a, const at::Tensor& b) {
  const auto x = a.to(at::kDouble), y = b.to(at::kDouble);
  return ((x - y).norm() / (y.norm() + 1e-30)).item<double>();
}

// bf16 has 8 bits; 300 keys of it, without a CPU's own products of bf16, came to 1.55e-2.
double tolerance(at::ScalarType type) { return type == at::kBFloat16 ? 2e-2 : 1e-5; }

class Ops : public testing::TestWithParam<at::ScalarType> {
 protected:
  Ops() { torch::manual_seed(5); }
};
INSTANTIATE_TEST_SUITE_P(Types, Ops, testing::Values(at::kFloat, at::kBFloat16));

TEST_P(Ops, NormEqualsItsDefinition) {
  for (const auto kind : {NormKind::rms, NormKind::rms_plus_one, NormKind::layer}) {
    const auto x = at::randn({67, 37}, at::kDouble) + 0.3, g = at::randn({67, 37}, at::kDouble);
    const auto w = at::randn({37}, at::kDouble), b = at::randn({37}, at::kDouble);
    const NormSpec spec{kind, 1e-5};
    const auto run = [&](at::ScalarType type, at::ScalarType in, at::ScalarType out) {
      auto leaf = x.detach().clone().to(in).requires_grad_();
      const auto weight = parameter(w.to(type), type), bias = parameter(b.to(type), type);
      const auto y = norm(leaf, weight, kind == NormKind::layer ? bias : Parameter{}, spec, out);
      y.backward(g.to(out));
      return std::vector{y.detach(), leaf.grad(), weight.grad, bias.grad};
    };
    const auto expected = run(at::kDouble, at::kDouble, at::kDouble);
    const auto found = run(at::kFloat, GetParam(), GetParam());
    for (std::size_t i = 0; i < (kind == NormKind::layer ? 4u : 3u); ++i) {
      EXPECT_LT(relative(found[i], expected[i]), tolerance(GetParam())) << i;
    }
  }
}

TEST_P(Ops, AddNormGivesSumAndNorm) {
  const auto h = at::randn({130, 24}), y = at::randn({130, 24});
  const auto w = parameter(at::randn({24}), at::kFloat);
  auto h1 = h.clone().requires_grad_(), y1 = y.to(GetParam()).requires_grad_();
  auto [sum, normed] = add_norm(h1, y1, w, {}, {}, GetParam());
  (sum.sum() + (normed.to(at::kFloat) * 2).sin().sum()).backward();
  const auto w2 = parameter(w.value.to(at::kDouble), at::kDouble);
  auto h2 = h.to(at::kDouble).requires_grad_(), y2 = y1.detach().to(at::kDouble).requires_grad_();
  const auto total = h2 + y2;
  const auto expected = norm(total, w2, {}, {}, at::kDouble);
  (total.sum() + (expected * 2).sin().sum()).backward();
  EXPECT_LT(relative(sum.detach(), total.detach()), 1e-6);
  EXPECT_LT(relative(normed.detach(), expected.detach()), tolerance(GetParam()));
  EXPECT_LT(relative(h1.grad(), h2.grad()), tolerance(GetParam()));
  EXPECT_LT(relative(y1.grad(), y2.grad()), tolerance(GetParam()));
  EXPECT_LT(relative(w.grad, w2.grad), tolerance(GetParam()));
}

TEST_P(Ops, AddNormWhoseNormIsUnusedPassesTheGradientOn) {
  auto h = at::randn({3, 8}).requires_grad_(),
       y = at::randn({3, 8}).to(GetParam()).requires_grad_();
  const auto w = parameter(at::ones({8}), at::kFloat);
  add_norm(h, y, w, {}, {}, GetParam()).first.sum().backward();
  EXPECT_TRUE(h.grad().eq(1).all().item<bool>());
  EXPECT_TRUE(y.grad().eq(1).all().item<bool>());
}

TEST_P(Ops, GatedEqualsItsDefinition) {
  for (const auto act : {Activation::silu, Activation::gelu_tanh, Activation::gelu}) {
    const auto x = at::randn({41, 46}, at::kDouble) * 3, g = at::randn({41, 23}, at::kDouble);
    auto a = x.to(GetParam()).requires_grad_(), b = a.detach().to(at::kDouble).requires_grad_();
    const auto ya = gated(a, act), yb = gated(b, act);
    ya.backward(g.to(GetParam()));
    yb.backward(g);
    EXPECT_LT(relative(ya.detach(), yb.detach()), tolerance(GetParam()));
    EXPECT_LT(relative(a.grad(), b.grad()), tolerance(GetParam()));
  }
}

TEST_P(Ops, LinearAccumulatesItsGradients) {
  const auto x = at::randn({33, 16}), w = at::randn({24, 16}), b = at::randn({24});
  const auto weight = parameter(w, GetParam()), bias = parameter(b, GetParam());
  auto leaf = x.clone().requires_grad_();
  for (int i = 0; i < 2; ++i) linear(leaf, weight, bias).to(at::kFloat).sum().backward();
  EXPECT_LT(relative(bias.grad, at::full({24}, 66.0)), 1e-5);
  EXPECT_LT(relative(weight.grad, 2 * x.sum(0).expand({24, 16})), tolerance(GetParam()));
  EXPECT_LT(relative(leaf.grad(), 2 * w.sum(0).expand({33, 16})), tolerance(GetParam()));
}

TEST_P(Ops, AttentionEqualsItsDefinition) {
  const std::int64_t dim = 12;
  for (const std::int64_t kv : {1, 2, 4}) {
    for (const std::int64_t window : {0, 5}) {
      for (const auto style : {RopeStyle::half, RopeStyle::interleaved}) {
        const AttentionSpec spec{4, kv, dim, 0.4, 0, window};
        const Packing packing{{0, 19, 36, 37, 45}};
        const auto angles = at::rand({19, 4}, at::kDouble) * 6;
        const Rotation exact{angles.cos(), angles.sin(), style};
        const Rotation single{exact.cos.to(at::kFloat), exact.sin.to(at::kFloat), style};
        const auto x = at::randn({45, (4 + 2 * kv) * dim}).to(GetParam());
        const auto g = at::randn({45, 4 * dim}).to(GetParam());
        auto a = x.clone().requires_grad_(), b = x.to(at::kDouble).requires_grad_();
        const auto ya = grouped_attention(a, packing, single, spec);
        const auto yb = plain_attention(b, packing, exact, spec);
        ya.backward(g);
        yb.backward(g.to(at::kDouble));
        EXPECT_LT(relative(ya.detach(), yb.detach()), tolerance(GetParam()));
        EXPECT_LT(relative(a.grad(), b.grad()), tolerance(GetParam()));
        if (window > 0 || !has_fused_attention()) continue;
        auto c = x.clone().requires_grad_();
        const auto yc = fused_attention(c, packing, single, spec);
        yc.backward(g);
        EXPECT_LT(relative(yc.detach(), yb.detach()), tolerance(GetParam()));
        EXPECT_LT(relative(c.grad(), b.grad()), tolerance(GetParam()));
      }
    }
  }
}

// Rows of several blocks of queries, of one and a bit, and of one beside them.
TEST_P(Ops, AttentionOverLongRowsEqualsItsDefinition) {
  for (const std::int64_t window : {0, 140}) {
    const AttentionSpec spec{4, 2, 12, 0.4, 0, window};
    const Packing packing{{0, 300, 501, 501 + 130, 501 + 133}};
    const auto angles = at::rand({300, 4}, at::kDouble) * 6;
    const Rotation exact{angles.cos(), angles.sin(), RopeStyle::half};
    const Rotation single{exact.cos.to(at::kFloat), exact.sin.to(at::kFloat), RopeStyle::half};
    const auto x = at::randn({634, 8 * 12}).to(GetParam());
    const auto g = at::randn({634, 4 * 12}).to(GetParam());
    auto a = x.clone().requires_grad_(), b = x.to(at::kDouble).requires_grad_();
    const auto ya = grouped_attention(a, packing, single, spec);
    const auto yb = plain_attention(b, packing, exact, spec);
    ya.backward(g);
    yb.backward(g.to(at::kDouble));
    EXPECT_LT(relative(ya.detach(), yb.detach()), tolerance(GetParam()));
    EXPECT_LT(relative(a.grad(), b.grad()), tolerance(GetParam()));
  }
}

TEST_P(Ops, AttentionRowsDoNotSeeEachOther) {
  const AttentionSpec spec{2, 2, 8, 0.35, 0, 0};
  auto x = at::randn({30, 48}).to(GetParam());
  const auto together = attention(x, {{0, 18, 30}}, {}, spec);
  const auto alone = attention(x.narrow(0, 18, 12).contiguous(), {{0, 12}}, {}, spec);
  EXPECT_LT(relative(together.narrow(0, 18, 12), alone), 1e-2);
  x.narrow(0, 0, 18).fill_(9);
  const auto changed = attention(x, {{0, 18, 30}}, {}, spec);
  EXPECT_TRUE(at::equal(together.narrow(0, 18, 12), changed.narrow(0, 18, 12)));
}

TEST(Embedding, GradientsAddUpOverRepeatedTokens) {
  const auto w = parameter(at::randn({9, 70}), at::kFloat);
  const auto tokens = at::tensor(std::vector<std::int64_t>{3, 1, 3}, at::kLong);
  embed(tokens, w, 2).sum().backward();
  EXPECT_TRUE(w.grad[3].eq(4).all().item<bool>());
  EXPECT_TRUE(w.grad[1].eq(2).all().item<bool>());
  EXPECT_TRUE(w.grad[0].eq(0).all().item<bool>());
}

TEST(Simd, ExpAndLogAreAccurate) {
  for (double x = -80; x < 80; x += 0.37) {
    EXPECT_NEAR(static_cast<double>(vexp(static_cast<float>(x))) /
                    std::exp(static_cast<double>(static_cast<float>(x))),
                1, 3e-7);
    const float y = static_cast<float>(std::exp(x));
    EXPECT_NEAR(static_cast<double>(vlog(y)), std::log(static_cast<double>(y)),
                3e-7 * (1 + std::abs(x)));
  }
}

}  // namespace
}  // namespace limbeck::distill
