// Every loss: closed forms through the chunked head against autograd through a dense reference.
#include "limbeck/distill/head.h"

#include <gtest/gtest.h>

#include <tuple>

#include "limbeck/base/error.h"
#include "limbeck/distill/losses_reference.h"

namespace limbeck::distill {
namespace {

constexpr std::int64_t kHeadRows = 301, kWidth = 7, kVocab = 53;  // odd, three chunks

enum class Signal { labels, dense, top_k, counts, mixed };

SoftTarget random_soft(const at::Tensor& teacher_row, SoftTarget::Kind kind) {
  SoftTarget soft{kind, {}, {}};
  const auto log_p = at::log_softmax(teacher_row, -1);
  const auto [values, ids] = log_p.topk(5);
  for (std::int64_t i = 0; i < 5; ++i) {
    soft.ids.push_back(static_cast<TokenId>(ids[i].item<std::int64_t>()));
    soft.values.push_back(kind == SoftTarget::Kind::top_k ? values[i].item<float>()
                                                          : static_cast<float>(5 - i));
  }
  return soft;
}

struct Case {
  Loss loss;
  Signal signal;
  double temperature, softcap;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << "loss " << static_cast<int>(c.loss) << " signal " << static_cast<int>(c.signal) << " T "
       << c.temperature << " cap " << c.softcap;
}

class HeadLoss : public testing::TestWithParam<Case> {
 protected:
  HeadLoss() {
    torch::manual_seed(11);
    hidden = at::randn({kHeadRows, kWidth}, at::kDouble);
    weight = at::randn({kVocab, kWidth}, at::kDouble);
    teacher_hidden = at::randn({kHeadRows, kWidth + 2}, at::kDouble);
    teacher_weight = at::randn({kVocab, kWidth + 2}, at::kDouble) * 0.7;
    const auto z = at::linear(teacher_hidden, teacher_weight);
    for (std::int64_t i = 0; i < kHeadRows; ++i) {
      targets.labels.push_back(static_cast<TokenId>((i * 17) % kVocab));
      const auto signal = GetParam().signal;
      if (signal == Signal::top_k || (signal == Signal::mixed && i % 3 == 0)) {
        soft.push_back(random_soft(z[i], SoftTarget::Kind::top_k));
      } else if (signal == Signal::counts || (signal == Signal::mixed && i % 3 == 1)) {
        soft.push_back(random_soft(z[i], SoftTarget::Kind::counts));
      } else {
        soft.push_back({});
      }
    }
    if (GetParam().signal == Signal::dense) {
      targets.teacher_hidden = teacher_hidden;
      targets.teacher_output = teacher_weight;
    } else if (GetParam().signal != Signal::labels) {
      for (const auto& s : soft) targets.soft.push_back(&s);
    }
    options.loss = {GetParam().loss, 0.3, 0.2, 0.6, GetParam().temperature};
    options.softcap = GetParam().softcap;
    options.scale = 1.0 / 77;
    options.chunk_bytes = 1;
  }

  at::Tensor hidden, weight, teacher_hidden, teacher_weight;
  std::vector<SoftTarget> soft;
  HeadTargets targets;
  HeadOptions options;
};

double relative(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

TEST_P(HeadLoss, EqualsTheDenseReferenceInValueAndGradient) {
  auto h = hidden.clone().requires_grad_(), w = weight.clone().requires_grad_();
  auto z = at::linear(h, w);
  if (options.softcap > 0) z = at::tanh(z / options.softcap) * options.softcap;
  const std::vector<std::int64_t> labels(targets.labels.begin(), targets.labels.end());
  const auto teacher =
      targets.teacher_hidden.defined() ? at::linear(teacher_hidden, teacher_weight) : at::Tensor();
  const auto expected =
      reference_loss(options.loss, z, at::tensor(labels, at::kLong), teacher, targets.soft);
  (expected.total * options.scale).backward();

  auto own = hidden.clone().requires_grad_();
  const Parameter output{weight, weight, at::zeros_like(weight)};
  LossSums sums;
  const auto loss = head_loss(own, output, targets, options, sums);
  loss.backward();
  EXPECT_NEAR(sums.total / expected.total.item<double>(), 1, 1e-9);
  EXPECT_NEAR(sums.cross_entropy / expected.cross_entropy.item<double>(), 1, 1e-9);
  EXPECT_NEAR(sums.soft, expected.soft.item<double>(), 1e-6 + 1e-6 * std::abs(sums.soft));
  EXPECT_EQ(sums.soft_targets, expected.soft_targets);
  EXPECT_EQ(sums.targets, kHeadRows);
  EXPECT_LT(relative(own.grad(), h.grad()), 1e-6);
  EXPECT_LT(relative(output.grad, w.grad()), 1e-6);
}

TEST_P(HeadLoss, FloatAgreesWithDouble) {
  const auto run = [&](at::ScalarType type) {
    auto own = hidden.clone().to(type).requires_grad_();
    const auto w = weight.to(type);
    auto t = targets;
    if (t.teacher_hidden.defined()) {
      t.teacher_hidden = teacher_hidden.to(type);
      t.teacher_output = teacher_weight.to(type);
    }
    LossSums sums;
    head_loss(own, {w, w, at::zeros_like(w)}, t, options, sums).backward();
    return std::pair(own.grad().to(at::kDouble), sums.total);
  };
  const auto [exact, exact_total] = run(at::kDouble);
  const auto [single, single_total] = run(at::kFloat);
  EXPECT_LT(relative(single, exact), 1e-5);
  EXPECT_NEAR(single_total / exact_total, 1, 1e-5);
  const auto [half, half_total] = run(at::kBFloat16);
  EXPECT_LT(relative(half, exact), 0.03);
  EXPECT_NEAR(half_total / exact_total, 1, 0.03);
}

TEST_P(HeadLoss, WithoutGradientsGivesTheSameSums) {
  LossSums with, without;
  auto own = hidden.clone().requires_grad_();
  const Parameter output{weight, weight, at::zeros_like(weight)};
  head_loss(own, output, targets, options, with);
  at::NoGradGuard no_grad;
  head_loss(own, output, targets, options, without);
  EXPECT_DOUBLE_EQ(with.total, without.total);
}

std::vector<Case> cases() {
  std::vector<Case> all{{Loss::forward_kl, Signal::labels, 1, 0},
                        {Loss::forward_kl, Signal::labels, 1, 3},
                        {Loss::forward_kl, Signal::counts, 1, 0},
                        {Loss::forward_kl, Signal::counts, 2, 0},
                        {Loss::forward_kl, Signal::mixed, 1, 0}};
  for (const auto loss :
       {Loss::forward_kl, Loss::reverse_kl, Loss::jsd, Loss::skew_kl, Loss::skew_reverse_kl}) {
    for (const double t : {1.0, 2.5}) all.push_back({loss, Signal::dense, t, 0});
    all.push_back({loss, Signal::dense, 1.5, 4});
    all.push_back({loss, Signal::top_k, 1, 0});
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, HeadLoss, testing::ValuesIn(cases()));

TEST(Losses, AreZeroWhereTheModelsAgree) {
  torch::manual_seed(3);
  const auto z = at::randn({40}, at::kDouble);
  std::vector<double> row(elements<double>(z), elements<double>(z) + 40), teacher = row;
  RowScratch<double> scratch(40);
  for (const auto loss :
       {Loss::forward_kl, Loss::reverse_kl, Loss::jsd, Loss::skew_kl, Loss::skew_reverse_kl}) {
    LossSums sums;
    auto own = row;
    loss_row({loss, 0.5, 0.1, 1.0, 2.0}, own, {3, teacher.data(), nullptr}, 1, true, scratch, sums);
    EXPECT_NEAR(sums.soft, 0, 1e-12);
    for (const double g : own) EXPECT_NEAR(g, 0, 1e-12);
  }
}

LossSums one_row(Loss loss, std::vector<float>& z, const RowTarget<float>& target) {
  LossSums sums;
  RowScratch<float> scratch(std::ssize(z));
  loss_row({.kind = loss, .soft_weight = 1}, z, target, 1, true, scratch, sums);
  return sums;
}

constexpr Loss kTopKLosses[] = {Loss::forward_kl, Loss::reverse_kl, Loss::jsd, Loss::skew_kl,
                                Loss::skew_reverse_kl};

TEST(Losses, TopKOfTheWholeVocabularyIsTheDenseLoss) {
  torch::manual_seed(5);
  const auto teacher = at::randn({kVocab}) * 3, student = at::randn({kVocab}) * 3;
  const auto log_p = at::log_softmax(teacher, -1);
  SoftTarget soft{SoftTarget::Kind::top_k, {}, {}};
  for (std::int64_t i = 0; i < kVocab; ++i) {
    soft.ids.push_back(static_cast<TokenId>(i));
    soft.values.push_back(log_p[i].item<float>());
  }
  for (const Loss loss : kTopKLosses) {
    const auto* z = elements<float>(student);
    std::vector<float> dense(z, z + kVocab), sparse = dense;
    const auto a = one_row(loss, dense, {.label = 3, .teacher = elements<float>(teacher)});
    const auto b = one_row(loss, sparse, {.label = 3, .soft = &soft});
    EXPECT_NEAR(a.soft, b.soft, 1e-5 * a.soft) << static_cast<int>(loss);
    for (std::size_t i = 0; i < dense.size(); ++i) EXPECT_NEAR(dense[i], sparse[i], 1e-5);
  }
}

// Shares that are 0 in float, in the list and behind it.
TEST(Losses, AreFiniteWhereTheStudentIsCertain) {
  const SoftTarget soft{SoftTarget::Kind::top_k, {1, 2}, {std::log(0.5f), std::log(0.25f)}};
  for (const Loss loss : kTopKLosses) {
    std::vector<float> z(static_cast<std::size_t>(kVocab), 0.0f);
    z[1] = 200;
    const auto sums = one_row(loss, z, {.label = 1, .soft = &soft});
    EXPECT_TRUE(std::isfinite(sums.soft)) << static_cast<int>(loss);
    EXPECT_GT(sums.soft, 0);
    for (const float g : z) EXPECT_TRUE(std::isfinite(g)) << static_cast<int>(loss);
    EXPECT_GT(z[1], -1e-6);  // more of it is wrong
  }
}

TEST(Losses, RefuseSoftLabelsTheyCannotUse) {
  const SoftTarget counts{SoftTarget::Kind::counts, {1}, {3}};
  const SoftTarget top{SoftTarget::Kind::top_k, {1}, {-0.1f}};
  EXPECT_THROW(check_soft_target({.kind = Loss::reverse_kl}, counts, 10), Error);
  EXPECT_THROW(check_soft_target({.temperature = 2}, top, 10), Error);
  EXPECT_THROW(check_soft_target({}, top, 1), Error);
  EXPECT_NO_THROW(check_soft_target({.temperature = 2}, counts, 10));
}

}  // namespace
}  // namespace limbeck::distill
