// Training on the grid of a file's type: what is evaluated is what rounding the written weights
// gives, runs resume to the same weights, and the rounded model is better than one that was not
// trained for it.
#include "limbeck/codec/codec.h"
#include "limbeck/distill/trainer_fixture_test.h"
#include "limbeck/distill/weight_grid.h"

namespace limbeck::distill {
namespace {

class QuantizeAware : public Trainer {
 protected:
  QuantizeAware() {
    options.bf16 = false;
    options.quantize.type = "q4_0";
  }
  Start narrow() const {
    Architecture a = shape(32);
    a.ffn = 64;
    return {{}, a};
  }
  static Start wide() {  // rows that divide into superblocks
    Architecture a = shape(256);
    a.layers = 1;
    a.ffn = 256;
    return {{}, a};
  }
  // The folder's model with its matrices rounded as `limbeck quantize --type` would.
  void round_model(const fs::path& from, const char* type, const fs::path& to) const {
    const Checkpoint checkpoint = Checkpoint::open(from);
    std::vector<NamedTensor> tensors;
    for (const TensorSpec& spec : tensor_specs(checkpoint.architecture())) {
      auto floats = checkpoint.floats(spec.name);
      if (spec.shape.size() == 2) {
        const TensorType as =
            type_in_mix(find_mix(type), checkpoint.architecture(), spec.name, spec.shape[1], false);
        const auto columns = static_cast<std::size_t>(spec.shape[1]);
        std::vector<std::byte> bytes(row_bytes(as, spec.shape[1]));
        for (std::size_t at = 0; at < floats.size(); at += columns) {
          encode_row(as, std::span(floats).subspan(at, columns), bytes);
          decode_row(as, bytes, std::span(floats).subspan(at, columns));
        }
      }
      tensors.push_back({spec.name, TensorType::f32, spec.shape, [floats] {
                           const auto bytes = std::as_bytes(std::span(floats));
                           return std::vector<std::byte>(bytes.begin(), bytes.end());
                         }});
    }
    write_hf_model(to, checkpoint.architecture(), &tokenizer, tensors);
  }
};

TEST_F(QuantizeAware, WritesWeightsThatRoundToWhatWasEvaluated) {
  options.quantize.type = "q2_k";
  options.epochs = 1;
  options.evaluations = 0;  // the beginning of the phase and the end
  options.save = "bf16";    // would not round to the same
  options.ema = 0.5;
  int calls = 0;
  const DevMetric keeps = [&](const fs::path& seen) {
    fs::copy(seen, folder / ("seen-" + std::to_string(++calls)));
    return static_cast<double>(calls);
  };
  train(wide(), tokenizer, rows, options, keeps, folder / "out", nullptr);
  ASSERT_EQ(calls, 2);
  const Checkpoint written = Checkpoint::open(folder / "out");
  EXPECT_EQ(written.type_of("blk.0.ffn_up.weight"), TensorType::f32);
  EXPECT_EQ(written.manifest().at("training").at("quantize"), "q2_k");
  round_model(folder / "out", "q2_k", folder / "rounded");
  EXPECT_EQ(weights("rounded"), weights("seen-2"));
  EXPECT_NE(weights("rounded"), weights("out"));
}

// Of three values a weight: where rounding costs most, training for it gains most
// (docs/distillation.md).
TEST_F(QuantizeAware, DoesBetterThanRoundingAfterwards) {
  options.epochs = 6;
  options.ema = 0;
  const auto dev = rule_rows(40);
  options.dev_rows = dev;
  const auto rounded_loss = [&](const std::string& name) {
    train(wide(), tokenizer, rows, options, {}, folder / name, nullptr);
    round_model(folder / name, "tq2_0", folder / (name + "-rounded"));
    return mean_loss(folder / (name + "-rounded"), dev, 1);
  };
  double aware = 0, unaware = 0;  // of three runs: one varies with the processor by a tenth
  for (const std::uint64_t seed : {1, 2, 3}) {
    options.seed = seed;
    options.quantize.type = "tq2_0";
    aware += rounded_loss("aware-" + std::to_string(seed));
    options.quantize = {};
    unaware += rounded_loss("unaware-" + std::to_string(seed));
  }
  EXPECT_LT(aware, 0.8 * unaware);
}

// What the run says of its best model is what the rounded file's rows cost.
TEST_F(QuantizeAware, EvaluatesTheRoundedAverage) {
  options.ema = 0.9;
  const auto dev = rule_rows(40);
  options.dev_rows = dev;
  const auto result = train(narrow(), tokenizer, rows, options, {}, folder / "out", nullptr);
  round_model(folder / "out", "q4_0", folder / "rounded");
  EXPECT_NEAR(mean_loss(folder / "rounded", dev, 1), -result.best_metric, 1e-6);
}

TEST_F(QuantizeAware, TakesTheBestOfThePhaseAlone) {
  // Before the phase (steps 1 to n / 2) the metric is best: those weights are not candidates.
  int calls = 0;
  const DevMetric falls = [&](const fs::path&) { return 100.0 - ++calls; };
  options.evaluations = 8;
  options.patience = 1;  // would stop at the second evaluation
  const auto result = train(narrow(), tokenizer, rows, options, falls, folder / "out", nullptr);
  EXPECT_GE(result.best_step, result.steps / 3);
  EXPECT_LT(result.best_metric, 96.5);
}

TEST_F(QuantizeAware, ResumesToTheSameWeights) {
  for (const std::int64_t every : {1, 5}) {
    options.quantize.every = every;
    options.checkpoint_folder.clear();
    const auto metric = [n = 0](const fs::path&) mutable { return static_cast<double>(++n % 3); };
    options.evaluations = 7;
    const std::string whole = "whole-" + std::to_string(every), parts = "parts" + whole;
    train(narrow(), tokenizer, rows, options, metric, folder / whole, nullptr);
    options.checkpoint_folder = folder / ("checkpoints-" + whole);
    options.checkpoint_seconds = 0;
    for (int last = 1; last < 40 && !fs::exists(folder / parts); ++last) {
      // Dies at its `last` evaluation, counted over all lives: the state before is on disk.
      int calls = last - 1;
      const DevMetric dies = [&](const fs::path&) -> double {
        if (++calls > last) throw std::runtime_error("killed");
        return static_cast<double>(calls % 3);
      };
      try {
        train(narrow(), tokenizer, rows, options, dies, folder / parts, nullptr);
      } catch (const std::runtime_error&) {
      }
    }
    EXPECT_EQ(weights(whole), weights(parts)) << every;
  }
}

TEST_F(QuantizeAware, RefusesWhatCannotBe) {
  const auto refusal = [&](const Start& start) {
    try {
      train(start, tokenizer, rows, options, {}, folder / "out", nullptr);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return std::string(error.what());
    }
    return std::string("trained");
  };
  options.quantize.type = "q9_k";
  EXPECT_NE(refusal(narrow()).find("q9_k"), std::string::npos);
  options.quantize.type = "f16";
  EXPECT_NE(refusal(narrow()).find("no rounding"), std::string::npos);
  options.quantize.type = "q2_k";
  EXPECT_NE(refusal(fresh(16)).find("divides"), std::string::npos);
  options.lora.r = 2;
  EXPECT_NE(refusal(narrow()).find("lora"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder / "out"));
}

}  // namespace
}  // namespace limbeck::distill
