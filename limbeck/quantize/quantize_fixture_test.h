// A model of random weights and a folder for what is made of it.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "limbeck/base/progress.h"
#include "limbeck/base/random.h"
#include "limbeck/quantize/quantize.h"

namespace limbeck {

inline Architecture small_llama(std::int64_t hidden, std::int64_t layers) {
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
inline void write_random_model(
    const std::filesystem::path& path, const Architecture& a,
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

class QuantizeFixture : public testing::Test {
 protected:
  void SetUp() override {
    set_verbosity(Verbosity::quiet);
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ =
        std::filesystem::path(testing::TempDir()) /
        fmt::format("quantize-run-{}-{}-{}", test->test_suite_name(), test->name(), ::getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    model_ = folder_ / "model.gguf";
    output_ = folder_ / "out.gguf";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  QuantizeResult run(const QuantizeOptions& options, int threads = 2) {
    ThreadPool pool(threads);
    return quantize_model(Checkpoint::open(model_), output_, options, pool);
  }
  std::filesystem::path folder_, model_, output_;
};

inline QuantizeOptions rtn(std::string type) {
  QuantizeOptions options;
  options.type = std::move(type);
  return options;
}

}  // namespace limbeck
