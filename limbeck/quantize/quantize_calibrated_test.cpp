// Methods that look at text, with real weights and text.
#include <gtest/gtest.h>

#include <cstdlib>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/sha256.h"
#include "limbeck/quantize/divergence.h"
#include "limbeck/quantize/quantize_fixture_test.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

fs::path test_data() {
  const char* set = std::getenv("LIMBECK_TEST_DATA");
  return set ? fs::path(set) : fs::path(LIMBECK_SOURCE_DIR) / "../shared/data";
}

class Calibrated : public QuantizeFixture {
 protected:
  void SetUp() override {
    QuantizeFixture::SetUp();
    model_ = test_data() / "models/TinyStories-656K";
    const fs::path stories = test_data() / "text/TinyStories-sample/tinystories_sample.txt";
    if (!fs::exists(model_) || !fs::exists(stories)) {
      GTEST_SKIP() << "needs TinyStories-656K and its text in " << test_data();
    }
    const std::string text = read_file(stories, 1u << 26);
    options_.type = "q4_0";
    options_.calibration_texts = {text.substr(0, 200000)};
    options_.calibration.max_tokens = 8192;
    held_out_ = text.substr(text.size() - 100000);
  }

  double kl() {
    ThreadPool pool(2);
    const Checkpoint a = Checkpoint::open(model_), b = Checkpoint::open(output_);
    CalibrationOptions few;
    few.max_tokens = 2048;
    const auto text = tokenize_calibration(std::span(&held_out_, 1), a.tokenizer(), 512, few);
    return divergence(Model(a), Model(b), text.sequences, pool).mean_kl;
  }
  QuantizeOptions options_;
  std::string held_out_;
};

TEST_F(Calibrated, ErrorFeedbackBeatsImportanceBeatsNothing) {
  run(options_);
  const double plain = kl();
  options_.method = QuantizeMethod::imatrix;
  run(options_);
  const double weighted = kl();
  options_.method = QuantizeMethod::gptq;
  run(options_);
  const double solved = kl();
  EXPECT_LT(weighted, plain);
  EXPECT_LT(solved, 0.7 * weighted);
  const Json manifest = Checkpoint::open(output_).manifest().at("quantization");
  EXPECT_EQ(manifest.at("calibration").at("tokens"), 8192);
  EXPECT_EQ(manifest.at("tensors").at("methods").at(2).at(0), "gptq");
}

TEST_F(Calibrated, GivesTheSameFileForEveryNumberOfThreads) {
  options_.method = QuantizeMethod::gptq;
  options_.calibration.max_tokens = 2048;
  run(options_, 1);
  const std::string one = sha256_file(output_);
  run(options_, 3);
  EXPECT_EQ(sha256_file(output_), one);
}

// A healer that makes everything worse is not listened to; one that breaks off leaves no file.
TEST_F(Calibrated, IsHealedOnlyWhereThatHelps) {
  options_.method = QuantizeMethod::imatrix;
  options_.type = "q4_k_s";
  options_.calibration.max_tokens = 8192;
  run(options_);
  const fs::path kept = folder_ / "unhealed.gguf";
  fs::rename(output_, kept);
  TokenSequences seen, held_out;
  options_.healer = [&](const Checkpoint& original, const Checkpoint& rounded,
                        const TokenSequences& text, const TokenSequences& back, const fs::path&) {
    EXPECT_EQ(original.path(), model_);
    const Weight weight = rounded.at("blk.0.ffn_up.weight");
    EXPECT_TRUE(is_quantized(weight.type));
    seen = text;
    held_out = back;
    Healed worse;
    worse.record = {{"steps", 3}};
    worse.tensors["blk.0.ffn_up.weight"].resize(weight.bytes.size());  // all zero
    return worse;
  };
  options_.healing_tokens = 12288;
  const QuantizeResult result = run(options_);
  EXPECT_FALSE(result.healing.at("kept").get<bool>());
  EXPECT_EQ(result.healing.at("steps"), 3);
  EXPECT_GT(result.healing.at("kl_after").get<double>(),
            result.healing.at("kl_before").get<double>());
  const Checkpoint unhealed = Checkpoint::open(kept), written = Checkpoint::open(output_);
  for (const TensorSpec& spec : tensor_specs(unhealed.architecture())) {
    EXPECT_TRUE(std::ranges::equal(unhealed.at(spec.name).bytes, written.at(spec.name).bytes))
        << spec.name;
  }
  EXPECT_GT(seen.size(), 8192u / 512);  // more than was calibrated with, and none that judges
  EXPECT_FALSE(held_out.empty());
  for (const auto& sequence : held_out) EXPECT_EQ(std::ranges::count(seen, sequence), 0);

  fs::remove(output_);
  const pid_t child = fork();
  if (child == 0) {
    options_.healer = [&](const auto&, const auto&, const auto&, const auto&,
                          const auto&) -> Healed {
      kill(getpid(), SIGKILL);
      return {};
    };
    run(options_, 1);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(fs::exists(output_));
  EXPECT_TRUE(fs::exists(output_.string() + ".parts"));  // what was rounded is not rounded again
}

TEST_F(Calibrated, RefusesToHealWhatCannotBe) {
  const auto refusal = [&] {
    options_.healer = [](const auto&, const auto&, const auto&, const auto&, const auto&) {
      return Healed{};
    };
    try {
      run(options_);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return std::string(error.what());
    }
    return std::string("healed");
  };
  options_.type = "f16";
  options_.method = QuantizeMethod::rtn;
  options_.calibration.max_tokens = 1024;
  EXPECT_NE(refusal().find("have none"), std::string::npos);
  options_.type = "q4_k_s";
  options_.calibration_texts.clear();
  EXPECT_NE(refusal().find("calibration text"), std::string::npos);
  EXPECT_FALSE(fs::exists(output_));
}

TEST_F(Calibrated, SaysHowMuchTextIsNeeded) {
  options_.method = QuantizeMethod::gptq;
  options_.calibration_texts = {"Too short."};
  try {
    run(options_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(error.what()).find("at least 512 are needed"), std::string::npos);
  }
}

}  // namespace
}  // namespace limbeck
