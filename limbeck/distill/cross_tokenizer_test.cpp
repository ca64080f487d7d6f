// The loss across vocabularies: alignment, and the chunked head against autograd over everything.
#include "limbeck/distill/cross_tokenizer.h"

#include <gtest/gtest.h>

#include <cmath>

namespace limbeck::distill {
namespace {

using Spans = std::vector<AlignedSpan>;

std::string text(const Spans& spans) {
  std::string out;
  for (const auto& s : spans) {
    out += std::to_string(s.student_begin) + "-" + std::to_string(s.student_end) + ":" +
           std::to_string(s.teacher_begin) + "-" + std::to_string(s.teacher_end) + " ";
  }
  return out;
}

std::string aligned(std::vector<std::int64_t> s, std::vector<std::int64_t> t) {
  return text(align(s, t));
}

TEST(Align, SpansEndAtCommonBytes) {
  EXPECT_EQ(aligned({3, 4, 0}, {3, 4, 0}), "0-1:0-1 1-2:1-2 2-3:2-3 ");
  EXPECT_EQ(aligned({3, 4, 2, 0}, {7, 1, 1, 0}), "0-2:0-1 2-3:1-3 3-4:3-4 ");
  EXPECT_EQ(aligned({1, 1, 1}, {2, 2}), "0-2:0-1 ");  // what lies behind is left out
  EXPECT_EQ(aligned({}, {2}), "");
}

class Cross : public testing::TestWithParam<double> {
 protected:
  static constexpr std::int64_t kRows = 299, kVocab = 31, kTheirs = 43;
  Cross() {
    torch::manual_seed(8);
    hidden = at::randn({kRows, 6}, at::kDouble);
    weight = at::randn({kVocab, 6}, at::kDouble);
    targets.teacher_hidden = at::randn({320, 5}, at::kDouble);
    targets.teacher_output = at::randn({kTheirs, 5}, at::kDouble);
    for (std::int64_t i = 0; i < kRows; ++i) labels.push_back(static_cast<TokenId>(i * 7 % kVocab));
    for (std::int64_t i = 0; i < 320; ++i) {
      targets.teacher_labels.push_back(static_cast<TokenId>(i * 5 % kTheirs));
    }
    for (std::int64_t s = 0, t = 0, i = 0; s + 6 < kRows && t + 4 < 320; ++i) {
      const std::int64_t ns = 1 + i % 3, nt = 1 + i % 2;
      targets.spans.push_back({s, s + ns, t, t + nt});
      s += ns + (i % 50 == 0 ? 2 : 0);  // some rows are of no span
      t += nt;
    }
    options.loss = {.kind = Loss::uld, .soft_weight = 0.6, .temperature = GetParam()};
    options.scale = 1.0 / 77;
  }
  at::Tensor hidden, weight;
  std::vector<TokenId> labels;
  CrossTargets targets;
  HeadOptions options;
};
INSTANTIATE_TEST_SUITE_P(Temperatures, Cross, testing::Values(1.0, 1.7));

TEST_P(Cross, ChunkedHeadEqualsTheDenseReference) {
  for (const double softcap : {0.0, 3.0}) {
    options.softcap = softcap;
    auto h = hidden.clone().requires_grad_(), w = weight.clone().requires_grad_();
    auto z = at::linear(h, w);
    if (softcap > 0) z = at::tanh(z / softcap) * softcap;
    const auto teacher = at::linear(targets.teacher_hidden, targets.teacher_output);
    const auto expected = reference_cross_loss(options.loss, z, labels, teacher, targets);
    (expected * options.scale).backward();

    auto own = hidden.clone().requires_grad_();
    const Parameter output{weight, weight, at::zeros_like(weight)};
    LossSums sums;
    const auto loss = cross_head_loss(own, output, labels, targets, options, sums);
    loss.backward();
    EXPECT_NEAR(sums.total, expected.item<double>(), 1e-9 * sums.total);
    EXPECT_EQ(sums.targets, kRows);
    EXPECT_EQ(sums.soft_targets, static_cast<std::int64_t>(targets.spans.size()));
    EXPECT_LT((own.grad() - h.grad()).norm().item<double>() / h.grad().norm().item<double>(), 1e-9);
    EXPECT_LT((output.grad - w.grad()).norm().item<double>() / w.grad().norm().item<double>(),
              1e-9);
  }
}

TEST(CrossLoss, IsItsFormulaOnASpan) {
  // One span: two tokens of the student spell one of the teacher's.
  const auto z =
      at::tensor(std::vector<double>{0.5, -1, 2, 0.1, 0.7, -0.3}, at::kDouble).view({2, 3});
  const auto t = at::tensor(std::vector<double>{1.0, 0.2, -0.5, 0.9}, at::kDouble).view({1, 4});
  CrossTargets targets;
  targets.teacher_labels = {3};
  targets.spans = {{0, 2, 0, 1}};
  const auto softmax = [](std::vector<double> v) {
    double sum = 0;
    for (auto& x : v) sum += x = std::exp(x);
    for (auto& x : v) x /= sum;
    return v;
  };
  auto s = softmax({0.5, -1, 2}), second = softmax({0.1, 0.7, -0.3});
  for (auto& x : s) x *= second[1];
  s.push_back(0);
  auto p = softmax({1.0, 0.2, -0.5, 0.9});
  std::sort(s.rbegin(), s.rend());
  std::sort(p.rbegin(), p.rend());
  double expected = 0;
  for (std::size_t i = 0; i < 4; ++i) expected += std::abs(s[i] - p[i]);
  const auto loss =
      reference_cross_loss({.kind = Loss::uld, .soft_weight = 1}, z, {2, 1}, t, targets);
  EXPECT_NEAR(loss.item<double>(), expected, 1e-12);
}

TEST(CrossLoss, IsZeroBetweenEqualModels) {
  torch::manual_seed(1);
  const auto h = at::randn({4, 3}, at::kDouble), w = at::randn({9, 3}, at::kDouble);
  CrossTargets targets;
  targets.teacher_labels = {1, 2, 3, 4};
  targets.teacher_hidden = h;
  targets.teacher_output = w;
  targets.spans = {{0, 1, 0, 1}, {1, 4, 1, 4}};
  LossSums sums;
  auto own = h.clone().requires_grad_();
  cross_head_loss(own, {w, w, {}}, {1, 2, 3, 4}, targets,
                  {.loss = {.kind = Loss::uld, .soft_weight = 1}}, sums)
      .backward();
  EXPECT_NEAR(sums.soft, 0, 1e-12);
  EXPECT_LT(own.grad().abs().max().item<double>(), 1e-12);
}

}  // namespace
}  // namespace limbeck::distill
