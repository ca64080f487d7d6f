// Cutting out what does nothing must change nothing.
#include "limbeck/distill/prune.h"

#include <gtest/gtest.h>

#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/distill/decoder.h"

namespace limbeck::distill {
namespace {

namespace fs = std::filesystem;

class Prune : public testing::Test {
 protected:
  Prune() {
    at::set_num_threads(1);
    torch::manual_seed(2);
    folder = fs::temp_directory_path() / ("limbeck-prune-" + std::to_string(::getpid()));
    fs::remove_all(folder);
    Architecture a;
    a.vocab_size = 40;
    a.context_length = 16;
    a.hidden = 12;
    a.layers = 5;
    a.heads = 4;
    a.kv_heads = 2;
    a.head_dim = 6;
    a.ffn = 20;
    a.rope_dim = 6;
    a.attention_scale = 0.4;
    weights =
        std::make_shared<Parameters>(a, ParameterOptions{at::kFloat, at::kFloat, at::kCPU, false});
    weights->randomize(1);
    weights->value.mul_(15);
    for (int i = 0; i < 20; ++i) {
      TrainRow row;
      for (int t = 0; t < 5 + i % 11; ++t) row.tokens.push_back((7 * i + 3 * t) % 40);
      rows.push_back(row);
    }
  }
  ~Prune() override { fs::remove_all(folder); }

  CutReport cut(const CutShape& shape) {
    write_hf_model(folder / "teacher", weights->architecture(), nullptr,
                   weights->tensors(TensorType::f32, weights->value));
    CutOptions options;
    options.threads = 1;
    return cut_student(folder / "teacher", rows, shape, options, folder / "student");
  }
  void expect_same_logits() const {
    const auto a = torch_logits(folder / "teacher", rows[9].tokens);
    const auto b = torch_logits(folder / "student", rows[9].tokens);
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i)
      EXPECT_NEAR(a[i], b[i], 1e-4f * (1 + std::abs(b[i])));
  }
  at::Tensor weight(const char* name) { return weights->get(name).value; }

  fs::path folder;
  std::shared_ptr<Parameters> weights;
  std::vector<TrainRow> rows;
};

TEST_F(Prune, KeepingEverythingIsTheTeacher) {
  EXPECT_EQ(cut({}).removed_count, 0);
  expect_same_logits();
}

TEST_F(Prune, LayersThatAddNothingGoFirst) {
  for (const char* name : {"blk.2.attn_output.weight", "blk.2.ffn_down.weight",
                           "blk.3.attn_output.weight", "blk.3.ffn_down.weight"}) {
    weight(name).zero_();
  }
  CutShape shape;
  shape.layers = 3;
  const auto report = cut(shape);
  EXPECT_EQ(report.removed_first, 2);
  EXPECT_EQ(report.removed_count, 2);
  EXPECT_NEAR(report.influence[2], 0, 1e-6);
  EXPECT_GT(report.influence[1], 0.01);
  EXPECT_NEAR(report.removed_influence, 0, 1e-6);
  expect_same_logits();
}

TEST_F(Prune, NeuronsAndHeadsThatAreSilentGoFirst) {
  for (std::int64_t i = 0; i < 5; ++i) {
    const auto blk = "blk." + std::to_string(i);
    auto gate = weights->get(blk + ".ffn_gate.weight").value;
    for (const int row : {0, 3, 4, 9, 17}) gate[row].zero_();
    weights->get(blk + ".attn_v.weight").value.narrow(0, i % 2 * 6, 6).zero_();  // one group
  }
  CutShape shape;
  shape.ffn = 15;
  shape.heads = 2;
  const auto report = cut(shape);
  EXPECT_EQ(report.architecture.kv_heads, 1);
  for (const double kept : report.kept_ffn) EXPECT_NEAR(kept, 1, 1e-9);
  expect_same_logits();
}

TEST_F(Prune, HiddenChannelsThatAreEmptyGoFirst) {
  for (const auto& slot : weights->slots()) {
    const bool adds =
        slot.name.ends_with("attn_output.weight") || slot.name.ends_with("ffn_down.weight");
    auto w = weights->get(slot.name).value;
    if (adds) w.narrow(0, 8, 4).zero_();
    if (slot.name == "token_embd.weight") w.narrow(1, 8, 4).zero_();
  }
  CutShape shape;
  shape.hidden = 8;
  cut(shape);
  const auto student = Checkpoint::open(folder / "student");
  EXPECT_EQ(student.architecture().hidden, 8);
  const auto kept = student.floats("token_embd.weight");
  const auto whole = weight("token_embd.weight");
  for (std::int64_t i = 0; i < 8; ++i) {
    EXPECT_EQ(kept[static_cast<std::size_t>(i)], whole[0][i].item<float>());
  }
}

TEST_F(Prune, RefusesShapesOutsideTheTeacher) {
  const auto refused = [&](CutShape shape) { EXPECT_THROW(cut(shape), Error); };
  refused({.layers = 6, .hidden = 0, .ffn = 0, .heads = 0});
  refused({.layers = 1, .hidden = 0, .ffn = 0, .heads = 0});  // the first and the last stay
  refused({.layers = 0, .hidden = 13, .ffn = 0, .heads = 0});
  refused({.layers = 0, .hidden = 0, .ffn = 0, .heads = 3});  // not whole groups
  EXPECT_FALSE(fs::exists(folder / "student"));
}

}  // namespace
}  // namespace limbeck::distill
