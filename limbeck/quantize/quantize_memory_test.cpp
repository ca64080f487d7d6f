// What quantizing takes of memory, measured in a process of its own.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

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

TEST_F(QuantizeMemory, ErrorFeedbackStaysUnderACeilingBelowTheModelsSize) {
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

}  // namespace
}  // namespace limbeck
