// The losses inside against loops that spell their formulas out, and their gradients by finite
// differences.
#include "limbeck/distill/match.h"

#include <gtest/gtest.h>

#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/model/families.h"

namespace limbeck::distill {
namespace {

double at2(const at::Tensor& x, std::int64_t i, std::int64_t j) { return x[i][j].item<double>(); }

// f's gradient by x against differences along random directions.
void check_gradient(const at::Tensor& x, const std::function<at::Tensor(const at::Tensor&)>& f) {
  auto leaf = x.clone().requires_grad_();
  f(leaf).backward();
  at::NoGradGuard no_grad;
  const auto direction = at::randn_like(x);
  const double slope = (leaf.grad() * direction).sum().item<double>();
  const double up = f(x + 1e-5 * direction).item<double>();
  const double down = f(x - 1e-5 * direction).item<double>();
  EXPECT_NEAR(slope, (up - down) / 2e-5, 1e-6 * (1 + std::abs(slope)));
  EXPECT_GT(std::abs(slope), 1e-8);
}

TEST(HiddenDistance, IsItsFormula) {
  torch::manual_seed(2);
  const auto x = at::randn({5, 7}, at::kDouble), y = at::randn({5, 7}, at::kDouble);
  double squares = 0, cosines = 0;
  for (std::int64_t i = 0; i < 5; ++i) {
    double square = 0, dot = 0, xx = 0, yy = 0;
    for (std::int64_t j = 0; j < 7; ++j) {
      square += std::pow(at2(x, i, j) - at2(y, i, j), 2);
      dot += at2(x, i, j) * at2(y, i, j);
      xx += std::pow(at2(x, i, j), 2);
      yy += std::pow(at2(y, i, j), 2);
    }
    squares += square / 7;
    cosines += 1 - dot / std::sqrt(xx * yy);
  }
  EXPECT_NEAR(hidden_distance(x, y, false).item<double>(), squares, 1e-12);
  EXPECT_NEAR(hidden_distance(x, y, true).item<double>(), cosines, 1e-12);
  EXPECT_NEAR(hidden_distance(x, 3 * x, true).item<double>(), 0, 1e-12);
  for (const bool cosine : {false, true}) {
    check_gradient(x, [&](const at::Tensor& v) { return hidden_distance(v, y, cosine); });
  }
}

TEST(RelationDistance, IsItsFormula) {
  torch::manual_seed(4);
  const Packing packing{{0, 5, 8}};
  const auto index = at::tensor(std::vector<std::int64_t>{2, 3, 4, 6}, at::kLong);
  const std::int64_t heads = 2;
  const auto x = at::randn({8, 6}, at::kDouble), y = at::randn({8, 10}, at::kDouble);
  const auto relation = [&](const at::Tensor& v, std::int64_t start, std::int64_t t,
                            std::int64_t head) {
    const auto width = v.size(1) / heads;
    std::vector<double> e;
    double sum = 0;
    for (std::int64_t j = start; j <= t; ++j) {
      double dot = 0;
      for (std::int64_t i = head * width; i < (head + 1) * width; ++i) {
        dot += at2(v, t, i) * at2(v, j, i);
      }
      e.push_back(std::exp(dot / std::sqrt(static_cast<double>(width))));
      sum += e.back();
    }
    for (auto& value : e) value /= sum;
    return e;
  };
  double expected = 0;
  for (const std::int64_t t : {2, 3, 4, 6}) {
    for (std::int64_t head = 0; head < heads; ++head) {
      const auto start = t < 5 ? 0 : 5;
      const auto q = relation(x, start, t, head), p = relation(y, start, t, head);
      for (std::size_t j = 0; j < p.size(); ++j) expected += p[j] * std::log(p[j] / q[j]) / 2;
    }
  }
  EXPECT_NEAR(relation_distance(x, y, packing, index, heads).item<double>(), expected, 1e-12);
  EXPECT_NEAR(relation_distance(x, x, packing, index, heads).item<double>(), 0, 1e-12);
  check_gradient(
      x, [&](const at::Tensor& v) { return relation_distance(v, y, packing, index, heads); });
}

Architecture small(std::int64_t hidden, std::int64_t layers) {
  Architecture a = family_info(Family::llama).defaults;
  a.vocab_size = 29;
  a.context_length = 16;
  a.hidden = hidden;
  a.layers = layers;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_dim = hidden / 4;
  a.rope_dim = a.head_dim;
  a.ffn = 10;
  a.attention_scale = 0.5;
  return a;
}

TEST(FeatureMatch, GradientsReachTheStudentAndTheProjections) {
  torch::manual_seed(6);
  at::set_num_threads(1);
  TrainOptions options;
  options.hidden.weight = 0.5;
  options.attention = {.weight = 2, .relations = "qv", .heads = 0, .layers = {}};
  const auto own = small(8, 2), theirs = small(16, 4);
  const FeatureMatch match(options, own, theirs);
  auto specs = tensor_specs(own);
  const auto more = match.projections();
  ASSERT_EQ(more.size(), 2u);
  specs.insert(specs.end(), more.begin(), more.end());
  const auto student = std::make_shared<Parameters>(
      own, specs, ParameterOptions{at::kDouble, at::kDouble, at::kCPU, true});
  student->randomize(1);
  student->value.add_(at::randn_like(student->value) * 0.1);
  FeatureMatch::randomize(*student, 1);
  const auto teacher = std::make_shared<Parameters>(
      theirs, ParameterOptions{at::kDouble, at::kDouble, at::kCPU, false});
  teacher->randomize(2);
  std::vector<TrainRow> rows{{{1, 2, 3, 4, 5, 6}, 3, {}}, {{7, 8, 9}, 1, {}}};
  const auto batch = make_batch(rows, {{0, 1}});
  TorchDecoder decoder(student), reference(teacher);
  const auto loss = [&] {
    LayerOutputs s, t;
    match.run(decoder, batch.tokens, true, s);
    {
      at::NoGradGuard no_grad;
      match.run(reference, batch.tokens, false, t);
    }
    return match.loss(s, t, *student, batch);
  };
  loss().backward();
  at::NoGradGuard no_grad;
  for (const auto& slot : student->slots()) {
    const auto direction = at::randn({slot.count}, at::kDouble);
    const double slope =
        (student->grad.narrow(0, slot.offset, slot.count) * direction).sum().item<double>();
    auto weights = student->value.narrow(0, slot.offset, slot.count);
    weights.add_(direction, 1e-5);
    const double up = loss().item<double>();
    weights.add_(direction, -2e-5);
    const double down = loss().item<double>();
    weights.add_(direction, 1e-5);
    EXPECT_NEAR(slope, (up - down) / 2e-5, 1e-5 * (1 + std::abs(slope))) << slot.name;
  }
}

TEST(FeatureMatch, RefusesLayersThatAreNotThere) {
  TrainOptions options;
  options.hidden = {1, false, {{3, 1}}};
  EXPECT_THROW(FeatureMatch(options, small(8, 2), small(16, 4)), Error);
  options.hidden = {};
  options.attention = {.weight = 1, .relations = "v", .heads = 3, .layers = {}};
  EXPECT_THROW(FeatureMatch(options, small(8, 2), small(16, 4)), Error);
}

}  // namespace
}  // namespace limbeck::distill
