// A whole file healed by the trainer: the same types, sizes and codes, nearer to the original by
// the runtime's measure; and a student trained for a type, whose file is what was trained.
#include "limbeck/pipeline/heal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "limbeck/base/progress.h"
#include "limbeck/codec/scale_fields.h"
#include "limbeck/distill/trainer.h"
#include "limbeck/pipeline/small_model_test.h"
#include "limbeck/quantize/quantize.h"
#include "limbeck/runtime/model.h"

namespace limbeck::pipeline {
namespace {

namespace fs = std::filesystem;

// The deviation of `x` in units of the size of `y`.
double difference(std::span<const float> x, std::span<const float> y) {
  EXPECT_EQ(x.size(), y.size());
  double error = 0, size = 0;
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    error += std::pow(double{x[i]} - double{y[i]}, 2);
    size += std::pow(double{y[i]}, 2);
  }
  return std::sqrt(error / size);
}

struct Heal : testing::Test {
  Heal() {
    set_verbosity(Verbosity::quiet);
    fs::remove_all(folder);
    fs::create_directories(folder);
    for (int i = 0; i < 1500; ++i) {
      text += "item " + std::to_string(i * 37 % 200) + " of the list is " +
              (i % 3 == 0   ? "red"
               : i % 3 == 1 ? "green"
                            : "blue") +
              ". ";
    }
  }
  ~Heal() override { fs::remove_all(folder); }
  void SetUp() override {
    if (!distill::can_train()) GTEST_SKIP() << "built without libtorch";
  }

  QuantizeResult quantize(const fs::path& model, const char* name, const QuantizeOptions& options) {
    return quantize_model(Checkpoint::open(model), folder / name, options, pool);
  }

  fs::path folder = fs::temp_directory_path() / ("limbeck-heal-" + std::to_string(::getpid()));
  std::string text;
  ThreadPool pool{1};
};

TEST_F(Heal, LeavesTypesSizesAndCodesAndComesNearer) {
  write_small_model(folder / "model", 3, 64);
  QuantizeOptions options;
  options.type = "q4_0";
  options.method = QuantizeMethod::gptq;
  options.calibration_texts = {text};
  options.calibration.max_tokens = 4096;
  const QuantizeResult before = quantize(folder / "model", "before.gguf", options);
  EXPECT_TRUE(before.healing.is_null());
  distill::HealOptions healing;
  healing.steps = 25;
  healing.batch_tokens = 512;
  healing.threads = 1;
  healing.learning_rate = 0.01;
  options.healer = healer(healing);
  const QuantizeResult after = quantize(folder / "model", "after.gguf", options);
  ASSERT_TRUE(after.healing.at("kept").get<bool>());
  EXPECT_LT(after.healing.at("kl_after").get<double>(),
            0.9 * after.healing.at("kl_before").get<double>());
  EXPECT_EQ(after.bits_per_weight, before.bits_per_weight);
  EXPECT_LE(after.bytes, before.bytes + kHealingBytes);

  const Checkpoint a = Checkpoint::open(folder / "before.gguf"),
                   b = Checkpoint::open(folder / "after.gguf");
  std::size_t scales = 0, norms = 0;
  for (const TensorSpec& spec : tensor_specs(a.architecture())) {
    const Weight was = a.at(spec.name), is = b.at(spec.name);
    ASSERT_EQ(was.type, is.type) << spec.name;
    ASSERT_EQ(was.bytes.size(), is.bytes.size());
    const auto fields = scale_fields(was.type);
    for (std::size_t i = 0; i < was.bytes.size(); ++i) {
      if (was.bytes[i] == is.bytes[i]) continue;
      if (fields.empty()) {
        ++norms;
        continue;
      }
      const bool scale = std::ranges::any_of(
          fields, [&](std::size_t field) { return i % info(was.type).block_bytes - field < 2; });
      ASSERT_TRUE(scale) << spec.name << ' ' << i;
      ++scales;
    }
  }
  EXPECT_GT(scales, 100u);
  EXPECT_GT(norms, 50u);
  const Json& manifest = b.manifest().at("quantization");
  EXPECT_EQ(manifest.at("healing"), after.healing);
  EXPECT_EQ(manifest.at("healing").at("steps"), 25);
  EXPECT_GT(manifest.at("healing").at("tokens").get<int>(), 0);
  EXPECT_EQ(manifest.at("tensors").at("methods").at(0).at(0), "gptq+heal");
}

TEST_F(Heal, AStudentTrainedForATypeIsWhatItsFileHolds) {
  write_small_model(folder / "model", 3, 256);
  const Tokenizer tokenizer = Tokenizer::open(folder / "model");
  std::vector<distill::TrainRow> rows;
  const auto ids = tokenizer.encode(text, false);
  for (std::size_t at = 0; at + 40 <= ids.size() && rows.size() < 24; at += 40) {
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(at);
    rows.push_back({{begin, begin + 40}, 1, {}});
  }
  distill::TrainOptions train;
  train.max_steps = 6;
  train.batch_tokens = 160;
  train.learning_rate = 1e-3;
  train.threads = 1;
  train.bf16 = false;
  train.evaluations = 0;
  const std::vector<TokenId> prompt(ids.begin(), ids.begin() + 30);
  // The trainer's rounded weights, the last seen, and their logits.
  std::map<std::string, std::vector<float>> trained_weights;
  std::vector<float> trained;
  const distill::DevMetric dev = [&, n = 0](const fs::path& seen) mutable {
    trained = distill::torch_logits(seen, prompt);
    const Checkpoint checkpoint = Checkpoint::open(seen);
    for (const TensorSpec& spec : tensor_specs(checkpoint.architecture())) {
      trained_weights[spec.name] = checkpoint.floats(spec.name);
    }
    return static_cast<double>(++n);
  };
  for (const char* type : {"q2_k", "q3_k_m", "iq2_xs"}) {
    train.quantize = {type, 0.5, 1};
    distill::train({folder / "model", {}}, tokenizer, rows, train, dev, folder / "student",
                   Checkpoint::open(folder / "model").manifest());
    QuantizeOptions options;
    options.type = type;
    EXPECT_TRUE(quantize(folder / "student", "student.gguf", options).notes.empty());
    const Checkpoint file = Checkpoint::open(folder / "student.gguf");
    for (const auto& [name, weights] : trained_weights) {
      const bool turned = name.ends_with("attn_q.weight") || name.ends_with("attn_k.weight");
      EXPECT_TRUE(turned || file.floats(name) == weights) << type << ' ' << name;
    }
    // The rows of q and k lie in another order there: sums of their products, too.
    const auto emitted = distill::torch_logits(folder / "student.gguf", prompt);
    EXPECT_LT(difference(emitted, trained), 1e-5) << type;

    const Model model(file);
    Decoder decoder(model, pool);
    // The runtime's activations have 8 bits.
    EXPECT_LT(difference(decoder.forward(prompt, true), trained), 0.05) << type;
    options.type = "q4_k_m";
    EXPECT_FALSE(quantize(folder / "student", "other.gguf", options).notes.empty());
  }
}

}  // namespace
}  // namespace limbeck::pipeline
