#include "limbeck/quantize/quantize.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <limits>
#include <thread>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/sha256.h"
#include "limbeck/codec/codec.h"
#include "limbeck/quantize/quantize_fixture_test.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

class Quantize : public QuantizeFixture {};

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
  QuantizeOptions options = rtn("q2_k");
  options.hold_seconds = 0;
  run(options, 1);
  const std::string whole = sha256_file(output_);
  fs::remove(output_);

  const pid_t child = fork();
  if (child == 0) {
    try {
      run(options, 1);
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
  run(rtn("q2_k"), 2);  // goes on however it was begun
  EXPECT_EQ(sha256_file(output_), whole);
  EXPECT_FALSE(fs::exists(parts));
}

}  // namespace
}  // namespace limbeck
