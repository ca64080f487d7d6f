// Whole training runs: what is learnt, and what options change.
#include "limbeck/distill/trainer_fixture_test.h"

namespace limbeck::distill {
namespace {

TEST_F(Trainer, LearnsARule) {
  for (const bool bf16 : {false, true}) {
    options.bf16 = bf16;
    options.epochs = 12;
    const auto held_out = rule_rows(170);
    options.dev_rows = std::span(held_out).subspan(150);
    const auto result = train(fresh(), tokenizer, rows, options, {}, folder / "model", nullptr);
    EXPECT_LT(result.final_loss, 0.3);
    EXPECT_LT(-result.best_metric, 0.4);
    EXPECT_NEAR(mean_loss(folder / "model", options.dev_rows), -result.best_metric,
                bf16 ? 0.02 : 1e-4);
  }
}

TEST_F(Trainer, MicroBatchesOfAnySizeAccumulateToTheSame) {
  options.bf16 = false;
  options.max_steps = 3;
  const auto losses = [&](std::int64_t micro) {
    options.micro_tokens = micro;
    train(fresh(), tokenizer, rows, options, {}, folder / "m", nullptr);
    return mean_loss(folder / "m", rows);
  };
  EXPECT_NEAR(losses(1), losses(200), 1e-4);
}

TEST_F(Trainer, AdaptersLearnOnAFrozenBase) {
  train(fresh(), tokenizer, rows, options, {}, folder / "base", nullptr);
  for (auto& row : rows) {  // another rule
    for (auto& token : row.tokens) token = 59 - token;
  }
  const double before = mean_loss(folder / "base", rows);
  options.lora = {8, 16, {}};
  options.epochs = 12;
  options.dev_rows = rows;
  for (const bool bf16 : {false, true}) {
    options.bf16 = bf16;
    const auto result =
        train({folder / "base", {}}, tokenizer, rows, options, {}, folder / "m", nullptr);
    // What is written is the merged model: it gives what base and adapters gave.
    EXPECT_NEAR(mean_loss(folder / "m", rows), -result.best_metric, bf16 ? 0.03 : 1e-5);
    EXPECT_LT(-result.best_metric, 0.85 * before);
  }
}

TEST_F(Trainer, AnAverageThatForgetsAtOnceIsTheWeights) {
  train(fresh(), tokenizer, rows, options, {}, folder / "plain", nullptr);
  options.ema = 1e-30;
  train(fresh(), tokenizer, rows, options, {}, folder / "average", nullptr);
  EXPECT_EQ(weights("plain"), weights("average"));
  options.ema = 0.9;
  train(fresh(), tokenizer, rows, options, {}, folder / "average", nullptr);
  EXPECT_NE(weights("plain"), weights("average"));
}

TEST_F(Trainer, RecomputingActivationsChangesNothing) {
  train(fresh(), tokenizer, rows, options, {}, folder / "kept", nullptr);
  options.recompute = true;
  train(fresh(), tokenizer, rows, options, {}, folder / "again", nullptr);
  EXPECT_EQ(weights("kept"), weights("again"));
}

TEST_F(Trainer, WritesEventsBesideTheMetrics) {
  options.metrics_file = folder / "metrics.jsonl";
  options.tensorboard = true;
  train(fresh(), tokenizer, rows, options, {}, folder / "a", nullptr);
  EXPECT_FALSE(fs::is_empty(folder / "metrics.tensorboard"));
}

TEST_F(Trainer, SaysWhatIsWrong) {
  const auto refused = [&](ErrorKind kind, const char* what) {
    try {
      train(fresh(), tokenizer, rows, options, {}, folder / "x", nullptr);
      FAIL() << what;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
    }
    EXPECT_FALSE(fs::exists(folder / "x"));
  };
  const auto good_rows = rows;
  const auto good = options;
  options.temperature = 0;
  refused(ErrorKind::usage, "temperature");
  options = good;
  options.schedule = "cosinus";
  refused(ErrorKind::usage, "schedule");
  options = good;
  options.lora.r = 4;
  options.lora.targets = {"lm_head"};
  refused(ErrorKind::usage, "lm_head");
  options = good;
  rows[3].tokens.assign(33, 1);
  refused(ErrorKind::usage, "training row 4: 33 tokens");
  rows = good_rows;
  rows[0].tokens[0] = 100000;
  refused(ErrorKind::usage, "outside the vocabulary");
  rows = good_rows;
  rows[0].soft.resize(1);
  rows[0].first_target = 1;
  refused(ErrorKind::usage, "soft labels");
  rows.clear();
  refused(ErrorKind::usage, "nothing to train on");
  rows = good_rows;
  options.learning_rate = 10;
  options.clip_norm = 0;
  options.weight_decay = 10;
  options.epochs = 60;
  refused(ErrorKind::numeric, "not finite in step");
}

}  // namespace
}  // namespace limbeck::distill
