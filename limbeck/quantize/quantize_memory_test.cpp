// What quantizing takes of memory, measured in a process of its own.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "limbeck/base/error.h"
#include "limbeck/base/resident.h"
#include "limbeck/quantize/quantize_fixture_test.h"
#include "limbeck/text/bpe_trainer.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

class QuantizeMemory : public QuantizeFixture {};

// What `work` returns, done in a process of its own.
int in_child(const std::function<int()>& work) {
  const pid_t child = fork();
  if (child == 0) _exit(work());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(QuantizeMemory, StaysUnderACeilingBelowTheModelsSize) {
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

constexpr std::uint64_t kSolverCeiling = 40u << 20;

class QuantizeCalibratedMemory : public QuantizeMemory {
 protected:
  // 64 MB, whatever the shape.
  void prepare(std::int64_t hidden, std::int64_t layers) {
    ASSERT_EQ(in_child([&] {
                const Tokenizer tokenizer = small_tokenizer();
                Architecture a = small_llama(hidden, layers);
                a.vocab_size = tokenizer.vocab_size();
                write_random_model(
                    model_, a, [](auto&, auto&) {}, &tokenizer);
                return 0;
              }),
              0);
    ASSERT_GT(fs::file_size(model_), 3 * kSolverCeiling / 2);
    options_.method = QuantizeMethod::gptq;
    options_.calibration_texts.emplace_back();
    for (int i = 0; i < 4000; ++i) options_.calibration_texts[0] += static_cast<char>('a' + i % 26);
    options_.calibration.max_tokens = 2048;
    options_.max_memory = kSolverCeiling;
  }

  int peak_megabytes() {
    return in_child([&] {
      reset_peak_resident();
      run(options_);
      return static_cast<int>(peak_resident_bytes() >> 20);
    });
  }

  QuantizeOptions options_ = rtn("q4_0");
};

TEST_F(QuantizeCalibratedMemory, ErrorFeedbackStaysUnderACeilingBelowTheModelsSize) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers have memory of their own";
#endif
  prepare(256, 24);
  const int megabytes = peak_megabytes();
  EXPECT_GT(megabytes, 0);
  EXPECT_LT(megabytes, 40);
  EXPECT_EQ(Checkpoint::open(output_).manifest().at("quantization").at("method"), "gptq");
  // Too little for the solver: said before anything is done.
  options_.max_memory = 1u << 20;
  try {
    run(options_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(error.remedy().find("--method imatrix"), std::string::npos);
  }
}

TEST_F(QuantizeCalibratedMemory, TypesAreChosenUnderACeilingAsWithoutOne) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers have memory of their own";
#endif
  prepare(480, 7);  // rows that no superblock divides: few types to try
  options_.method = QuantizeMethod::imatrix;
  options_.bits_per_weight = 5;
  options_.calibration.max_tokens = 128;
  options_.max_memory = 44u << 20;
  const int megabytes = peak_megabytes();
  EXPECT_GT(megabytes, 0);
  EXPECT_LT(megabytes, 44);
  const Checkpoint under = Checkpoint::open(output_);
  options_.max_memory = 0;
  output_ = folder_ / "free.gguf";
  run(options_);
  const Checkpoint free = Checkpoint::open(output_);
  for (const TensorSpec& spec : tensor_specs(free.architecture())) {
    const Weight a = under.at(spec.name), b = free.at(spec.name);
    EXPECT_EQ(a.type, b.type) << spec.name;
    EXPECT_TRUE(std::ranges::equal(a.bytes, b.bytes)) << spec.name;
  }
}

}  // namespace
}  // namespace limbeck
