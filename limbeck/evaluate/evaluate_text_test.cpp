// Perplexity and KL: reference values of real models, identities, and the windows of a text.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/evaluate/evaluate.h"
#include "limbeck/evaluate/speed.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

class Stories : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* set = std::getenv("LIMBECK_TEST_DATA");
    const fs::path data =
        set != nullptr ? fs::path(set) : fs::path(LIMBECK_SOURCE_DIR) / "../shared/data";
    folder_ = data / "models";
    text_ = data / "text/TinyStories-sample/tinystories_sample.txt";
    if (!fs::exists(folder_) || !fs::exists(text_)) {
      GTEST_SKIP() << "the shared models are not here (set LIMBECK_TEST_DATA)";
    }
  }

  // The stories of REFERENCE.json: [1, 61), each by itself after BOS, cut to 512 tokens.
  static TextOptions reference_options() {
    TextOptions options;
    options.separator = "<|endoftext|>";
    options.skip_records = 1;
    options.max_records = 60;
    options.context = 512;
    return options;
  }

  void expect_reference(const fs::path& model_path, const fs::path& reference_path) {
    const Json reference = read_json_file((reference_path / "REFERENCE.json").string());
    const Checkpoint checkpoint = Checkpoint::open(model_path);
    const Model model(checkpoint);
    TextOptions options = reference_options();
    options.beyond_context = true;
    const TextResult result =
        evaluate_text(model, checkpoint.tokenizer(), pool_, read_file(text_, 4u << 20), options);
    EXPECT_EQ(result.tokens, reference["nll_tokens"].get<std::int64_t>());
    EXPECT_NEAR(result.nll, reference["nll_sum"].get<double>(), 0.05);
    EXPECT_NEAR(result.perplexity.value, reference["ppl"].get<double>(), 1e-3);
    EXPECT_LT(result.perplexity.low, result.perplexity.value);
    EXPECT_GT(result.perplexity.high, result.perplexity.value);
  }

  fs::path folder_, text_;
  ThreadPool pool_{1};
};

TEST_F(Stories, NllOfTinyStories656K) {
  expect_reference(folder_ / "TinyStories-656K", folder_ / "TinyStories-656K");
}

// Its GGUF file states a context of 128, the reference used 512 as it was trained.
TEST_F(Stories, NllOfStories260KBeyondTheStatedContext) {
  expect_reference(folder_ / "stories260K/stories260Ktok512.gguf", folder_ / "stories260K");
}

TEST_F(Stories, AModelAgainstItself) {
  const Checkpoint checkpoint = Checkpoint::open(folder_ / "TinyStories-656K");
  const Model model(checkpoint);
  TextOptions options;
  options.max_tokens = 700;
  options.context = 128;
  const TextResult result = evaluate_text(model, checkpoint.tokenizer(), pool_,
                                          read_file(text_, 4u << 20), options, &model);
  EXPECT_EQ(result.tokens, 700);
  EXPECT_EQ(result.kl.value, 0);
  EXPECT_EQ(result.kl_max, 0);
  EXPECT_EQ(result.same_top1.value, 1);
  EXPECT_GT(result.bits_per_byte, 0);
  const Json json = to_json(result);
  EXPECT_TRUE(json["perplexity"].is_number());
  EXPECT_TRUE(json["kl"].contains("p999"));
  EXPECT_EQ(json["same_top1"], 1);
}

// What a cache of halves costs against the same model with floats: something, and next to nothing.
TEST_F(Stories, ASmallerCacheIsMeasured) {
  const Checkpoint checkpoint = Checkpoint::open(folder_ / "TinyStories-656K");
  const Model model(checkpoint);
  TextOptions options;
  options.max_tokens = 700;
  options.context = 128;
  const std::string text = read_file(text_, 4u << 20);
  const auto measured = [&](TensorType cache) {
    options.cache = cache;
    return evaluate_text(model, checkpoint.tokenizer(), pool_, text, options, &model);
  };
  const TextResult result = measured(TensorType::f16);
  EXPECT_GT(result.kl.value, 0);
  EXPECT_LT(result.kl.value, 1e-4);
  EXPECT_THROW(measured(TensorType::q8_0), Error);  // heads of 16 dimensions, blocks of 32
}

// KL by its formula from the two models' own logits; the second model's head is scaled by .8.
TEST_F(Stories, KlAgainstTheFormula) {
  std::string name = (fs::temp_directory_path() / "limbeck-kl-XXXXXX").string();
  const fs::path folder = mkdtemp(name.data());
  const Checkpoint original = Checkpoint::open(folder_ / "TinyStories-656K");
  auto tensors = tensors_of(original);
  for (NamedTensor& tensor : tensors) {
    if (tensor.name != "output_norm.weight") continue;
    tensor.make_bytes = [make = tensor.make_bytes] {
      auto bytes = make();
      for (std::size_t i = 0; i + sizeof(float) <= bytes.size(); i += sizeof(float)) {
        float value;
        std::memcpy(&value, &bytes[i], sizeof value);
        value *= 0.8f;
        std::memcpy(&bytes[i], &value, sizeof value);
      }
      return bytes;
    };
  }
  write_hf_model(folder / "changed", original.architecture(), &original.tokenizer(), tensors);
  const Checkpoint changed = Checkpoint::open(folder / "changed");
  const Model reference(original), model(changed);
  const std::vector<std::vector<TokenId>> windows{{1, 80, 147, 201, 282, 57, 313}};
  const TextResult result = evaluate_windows(model, nullptr, pool_, windows, {}, &reference);
  fs::remove_all(folder);

  Decoder p_decoder(reference, pool_), q_decoder(model, pool_);
  const std::span<const TokenId> inputs(windows[0].data(), windows[0].size() - 1);
  const auto p_logits = p_decoder.forward(inputs, true), q_logits = q_decoder.forward(inputs, true);
  const auto vocab = static_cast<std::size_t>(model.architecture().vocab_size);
  std::vector<float> log_p(vocab), log_q(vocab);
  double sum = 0, largest = 0, nll = 0;
  for (std::size_t row = 0; row < inputs.size(); ++row) {
    log_softmax(p_logits.subspan(row * vocab, vocab), log_p);
    log_softmax(q_logits.subspan(row * vocab, vocab), log_q);
    double kl = 0;
    for (std::size_t i = 0; i < vocab; ++i) {
      kl += std::exp(static_cast<double>(log_p[i])) * static_cast<double>(log_p[i] - log_q[i]);
    }
    sum += kl;
    largest = std::max(largest, kl);
    nll -= static_cast<double>(log_q[static_cast<std::size_t>(windows[0][row + 1])]);
  }
  EXPECT_GT(largest, 0.01);
  EXPECT_NEAR(result.kl.value, sum / static_cast<double>(inputs.size()), 1e-5);
  EXPECT_NEAR(result.kl_max, largest, 1e-5);
  EXPECT_NEAR(result.nll, nll, 1e-4);
  EXPECT_EQ(result.same_top1.value, 1);  // a scale changes no order
}

// Cutting a window into several forward passes must not change what is counted.
TEST_F(Stories, SecondHalvesAreTheSecondHalvesOfTheWholeWindows) {
  const Checkpoint checkpoint = Checkpoint::open(folder_ / "TinyStories-656K");
  const Model model(checkpoint);
  const Tokenizer& tokenizer = checkpoint.tokenizer();
  TextOptions options;
  options.context = 64;
  options.score_all = false;
  const auto windows = text_windows(tokenizer, read_file(text_, 4u << 20).substr(0, 3000), options);
  ASSERT_GT(windows.size(), 3u);
  for (const auto& window : windows) {
    EXPECT_EQ(window.size(), 64u);
    EXPECT_EQ(window.front(), tokenizer.bos());
  }
  const auto sum = [&](std::int64_t first) {
    return evaluate_windows(model, nullptr, pool_, windows, {.first_target = first});
  };
  const TextResult all = sum(1), half = sum(33);
  EXPECT_EQ(half.tokens, static_cast<std::int64_t>(windows.size()) * 31);
  double first_halves = 0;
  std::vector<std::vector<TokenId>> cut;
  for (const auto& window : windows) cut.emplace_back(window.begin(), window.begin() + 33);
  first_halves = evaluate_windows(model, nullptr, pool_, cut).nll;
  EXPECT_NEAR(all.nll, first_halves + half.nll, 1e-2);
}

TEST_F(Stories, WindowsCoverTheText) {
  const Tokenizer tokenizer = Tokenizer::open(folder_ / "TinyStories-656K");
  const std::string text = read_file(text_, 4u << 20).substr(0, 5000);
  const auto whole = tokenizer.encode(text, false);
  TextOptions options;
  options.context = 100;
  std::vector<TokenId> joined;
  for (const auto& window : text_windows(tokenizer, text, options)) {
    EXPECT_LE(window.size(), 100u);
    EXPECT_EQ(window.front(), tokenizer.bos());
    joined.insert(joined.end(), window.begin() + 1, window.end());
  }
  EXPECT_EQ(joined, whole);
  options.separator = "\n";
  options.skip_records = 1;
  options.max_records = 2;
  EXPECT_EQ(text_windows(tokenizer, "a\n\n b \nc\nd", options).size(), 2u);
}

TEST_F(Stories, BadOptionsAreRefused) {
  const Checkpoint checkpoint = Checkpoint::open(folder_ / "TinyStories-656K");
  const Model model(checkpoint);
  TextOptions options;
  EXPECT_THROW(evaluate_text(model, checkpoint.tokenizer(), pool_, " \n", options), Error);
  options.context = 1;
  EXPECT_THROW(evaluate_text(model, checkpoint.tokenizer(), pool_, "text", options), Error);
  options.context = 1 << 20;
  const std::string text = read_file(text_, 4u << 20).substr(0, 5000);  // over 512 tokens
  EXPECT_THROW(evaluate_text(model, checkpoint.tokenizer(), pool_, text, options), Error);
}

TEST_F(Stories, SpeedIsMeasured) {
  const Checkpoint checkpoint = Checkpoint::open(folder_ / "TinyStories-656K");
  const Model model(checkpoint);
  SpeedOptions options;
  options.seconds = 0.01;
  const SpeedResult speed = measure_speed_of(model, pool_, options);
  EXPECT_GT(speed.prompt_tokens_per_s.value, speed.generation_tokens_per_s.low);
  EXPECT_LE(speed.generation_tokens_per_s.low, speed.generation_tokens_per_s.high);
  EXPECT_GE(speed.rounds, 6);
  EXPECT_GT(speed.peak_bytes, 1u << 20);
}

}  // namespace
}  // namespace limbeck
