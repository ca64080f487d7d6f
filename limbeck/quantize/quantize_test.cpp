#include "limbeck/quantize/quantize.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <thread>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/random.h"
#include "limbeck/base/resident.h"
#include "limbeck/base/sha256.h"
#include "limbeck/codec/codec.h"
#include "limbeck/quantize/divergence.h"
#include "limbeck/text/bpe_trainer.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

Architecture small_llama(std::int64_t hidden, std::int64_t layers) {
  Architecture a;
  a.rope_style = RopeStyle::interleaved;
  a.vocab_size = 300;
  a.context_length = 64;
  a.hidden = hidden;
  a.layers = layers;
  a.heads = a.kv_heads = 4;
  a.head_dim = a.rope_dim = hidden / 4;
  a.ffn = 2 * hidden;
  a.attention_scale = 1 / std::sqrt(static_cast<double>(a.head_dim));
  return a;
}

// A file of random weights; `spoil` may change each tensor's values.
void write_random_model(
    const fs::path& path, const Architecture& a,
    const std::function<void(const std::string&, std::vector<float>&)>& spoil =
        [](const std::string&, std::vector<float>&) {},
    const Tokenizer* tokenizer = nullptr) {
  std::vector<NamedTensor> tensors;
  std::uint64_t seed = 0;
  for (const TensorSpec& spec : tensor_specs(a)) {
    std::size_t n = 1;
    for (const std::int64_t size : spec.shape) n *= static_cast<std::size_t>(size);
    Random random(++seed);
    std::vector<float> values(n);
    for (float& value : values) value = static_cast<float>(0.02 * random.normal());
    spoil(spec.name, values);
    tensors.push_back({spec.name, TensorType::f32, spec.shape, [values] {
                         const auto bytes = std::as_bytes(std::span(values));
                         return std::vector<std::byte>(bytes.begin(), bytes.end());
                       }});
  }
  write_gguf_model(path, a, tokenizer, tensors);
}

class Quantize : public testing::Test {
 protected:
  void SetUp() override {
    set_verbosity(Verbosity::quiet);
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ =
        fs::path(testing::TempDir()) /
        fmt::format("quantize-run-{}-{}-{}", test->test_suite_name(), test->name(), ::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    model_ = folder_ / "model.gguf";
    output_ = folder_ / "out.gguf";
  }
  void TearDown() override { fs::remove_all(folder_); }

  QuantizeResult run(const QuantizeOptions& options, int threads = 2) {
    ThreadPool pool(threads);
    return quantize_model(Checkpoint::open(model_), output_, options, pool);
  }
  fs::path folder_, model_, output_;
};

QuantizeOptions rtn(std::string type) {
  QuantizeOptions options;
  options.type = std::move(type);
  return options;
}

TEST_F(Quantize, WritesTheRoundedRowsWithTheirErrorsAndAManifest) {
  write_random_model(model_, small_llama(256, 2));
  const QuantizeResult result = run(rtn("q4_k_s"));
  const Checkpoint before = Checkpoint::open(model_), after = Checkpoint::open(output_);
  EXPECT_EQ(after.at("blk.1.attn_k.weight").type, TensorType::q4_k);
  EXPECT_EQ(after.at("output.weight").type, TensorType::q6_k);
  EXPECT_EQ(after.at("blk.1.attn_norm.weight").type, TensorType::f32);
  const std::vector<float> w = before.floats("blk.1.ffn_up.weight");
  std::vector<std::byte> row(row_bytes(TensorType::q4_k, 256));
  encode_row(TensorType::q4_k, std::span(w).subspan(5 * 256, 256), row);
  const Weight stored = after.at("blk.1.ffn_up.weight");
  EXPECT_TRUE(std::ranges::equal(row, stored.bytes.subspan(5 * row.size(), row.size())));

  EXPECT_EQ(result.bytes, fs::file_size(output_));
  const Json& quantization = after.manifest().at("quantization");
  EXPECT_EQ(quantization.at("type"), "q4_k_s");
  const Json& compact = quantization.at("tensors");
  EXPECT_EQ(compact.at("errors").size(), result.tensors.size());
  Json beside = read_json_file(output_.string() + ".json");
  Json& full = beside.at("quantization").at("tensors");
  ASSERT_EQ(full.size(), result.tensors.size());
  std::size_t at = 0;
  for (const Json& run : compact.at("methods")) {
    for (int i = 0; i < run[1].get<int>(); ++i, ++at) {
      EXPECT_EQ(full[at].at("method"), run[0]);
      const double error = full[at].at("error").get<double>();
      EXPECT_NEAR(compact.at("errors")[at].get<double>(), error, 0.006 * error);
    }
  }
  EXPECT_EQ(at, full.size());
  full = compact;
  EXPECT_EQ(beside, after.manifest());  // all else is the same
  for (const QuantizedTensor& tensor : result.tensors) {
    EXPECT_LT(tensor.relative_error, 0.01) << tensor.name;
    EXPECT_EQ(tensor.relative_error > 0, is_quantized(tensor.type)) << tensor.name;
  }
  EXPECT_FALSE(fs::exists(output_.string() + ".parts"));
}

TEST_F(Quantize, GivesTheSameFileForEveryNumberOfThreads) {
  write_random_model(model_, small_llama(256, 2));
  run(rtn("q3_k_m"), 1);
  const std::string one = sha256_file(output_);
  run(rtn("q3_k_m"), 3);
  EXPECT_EQ(sha256_file(output_), one);
}

TEST_F(Quantize, NamesTensorRowAndColumnOfANaNAndLeavesNoFile) {
  const auto spoil = [](const std::string& name, std::vector<float>& values) {
    if (name == "blk.0.ffn_up.weight") {
      values[3 * 256 + 9] = std::numeric_limits<float>::quiet_NaN();
    }
  };
  write_random_model(model_, small_llama(256, 1), spoil);
  try {
    run(rtn("q4_k_m"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::numeric);
    EXPECT_STREQ(error.what(), "tensor 'blk.0.ffn_up.weight' has a NaN in row 3, column 9");
    EXPECT_FALSE(error.remedy().empty());
  }
  EXPECT_FALSE(fs::exists(output_));
  QuantizeOptions options = rtn("q4_k_m");
  options.on_nan = "zero";
  run(options);
  for (const float value : Checkpoint::open(output_).floats("blk.0.ffn_up.weight")) {
    ASSERT_TRUE(std::isfinite(value));
  }
}

TEST_F(Quantize, RefusesWrongOptions) {
  write_random_model(model_, small_llama(256, 1));
  EXPECT_THROW(run(rtn("q4_kk")), Error);
  QuantizeOptions options = rtn("q4_0");
  options.on_nan = "maybe";
  EXPECT_THROW(run(options), Error);
  options = rtn("q4_0");
  options.method = QuantizeMethod::gptq;
  EXPECT_THROW(run(options), Error);
}

// A run killed at any moment leaves nothing under the final name; the same command goes on and
// makes the same file.
TEST_F(Quantize, GoesOnAfterKill) {
  write_random_model(model_, small_llama(256, 3));
  run(rtn("q2_k"), 1);
  const std::string whole = sha256_file(output_);
  fs::remove(output_);

  const pid_t child = fork();
  if (child == 0) {
    try {
      run(rtn("q2_k"), 1);
    } catch (...) {
    }
    _exit(0);
  }
  const fs::path parts = output_.string() + ".parts";
  for (int i = 0; i < 6000 && !fs::exists(parts / "4.json"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  ASSERT_TRUE(fs::exists(parts / "4.json"));
  ASSERT_FALSE(fs::exists(output_));
  run(rtn("q2_k"), 2);
  EXPECT_EQ(sha256_file(output_), whole);
  EXPECT_FALSE(fs::exists(parts));
}

// --- with real weights and text ---

fs::path test_data() {
  const char* set = std::getenv("LIMBECK_TEST_DATA");
  return set ? fs::path(set) : fs::path(LIMBECK_SOURCE_DIR) / "../shared/data";
}

// What `work` returns, done in a process of its own.
int in_child(const std::function<int()>& work) {
  const pid_t child = fork();
  if (child == 0) _exit(work());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(Quantize, StaysUnderACeilingBelowTheModelsSize) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers have memory of their own";
#endif
  constexpr std::uint64_t kCeiling = 64u << 20;
  ASSERT_EQ(in_child([&] {
              write_random_model(model_, small_llama(1024, 3));
              return 0;
            }),
            0);
  ASSERT_GT(fs::file_size(model_), 3 * kCeiling / 2);
  const int megabytes = in_child([&] {
    reset_peak_resident();
    QuantizeOptions options = rtn("q4_k_m");
    options.max_memory = kCeiling;
    run(options);
    return static_cast<int>(peak_resident_bytes() >> 20);
  });
  EXPECT_GT(megabytes, 0);
  EXPECT_LT(megabytes, 64);
}

// Two words in all, so that a text of random ones has as many tokens as characters.
Tokenizer small_tokenizer() {
  BpeTrainOptions options;
  options.vocab_size = 300;
  const TrainedTokenizer trained =
      train_bpe([](const auto& take) { take("a tale of two cities"); }, options);
  return Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json, "test");
}

TEST_F(Quantize, ErrorFeedbackStaysUnderACeilingBelowTheModelsSize) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers have memory of their own";
#endif
  constexpr std::uint64_t kCeiling = 40u << 20;
  ASSERT_EQ(in_child([&] {
              const Tokenizer tokenizer = small_tokenizer();
              Architecture a = small_llama(256, 24);
              a.vocab_size = tokenizer.vocab_size();
              write_random_model(
                  model_, a, [](auto&, auto&) {}, &tokenizer);
              return 0;
            }),
            0);
  ASSERT_GT(fs::file_size(model_), 3 * kCeiling / 2);
  QuantizeOptions options = rtn("q4_0");
  options.method = QuantizeMethod::gptq;
  options.calibration_texts.emplace_back();
  for (int i = 0; i < 4000; ++i) options.calibration_texts[0] += static_cast<char>('a' + i % 26);
  options.calibration.max_tokens = 2048;
  options.max_memory = kCeiling;
  const int megabytes = in_child([&] {
    reset_peak_resident();
    run(options);
    return static_cast<int>(peak_resident_bytes() >> 20);
  });
  EXPECT_GT(megabytes, 0);
  EXPECT_LT(megabytes, 40);
  EXPECT_EQ(Checkpoint::open(output_).manifest().at("quantization").at("method"), "gptq");
  // Too little for the solver: said before anything is done.
  options.max_memory = 1u << 20;
  try {
    run(options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(error.remedy().find("--method imatrix"), std::string::npos);
  }
}

class Calibrated : public Quantize {
 protected:
  void SetUp() override {
    Quantize::SetUp();
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
                        const TokenSequences& text, const TokenSequences& back) {
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
    options_.healer = [&](const auto&, const auto&, const auto&, const auto&) -> Healed {
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
    options_.healer = [](const auto&, const auto&, const auto&, const auto&) { return Healed{}; };
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
