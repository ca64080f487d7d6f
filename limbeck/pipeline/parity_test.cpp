// The torch decoder and the runtime are two programs of one description: the same tokens must give
// the same logits, for every family, from both file formats, and for the real models at hand.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "limbeck/base/random.h"
#include "limbeck/distill/trainer.h"
#include "limbeck/model/families.h"
#include "limbeck/runtime/model.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

Architecture small(Family family) {
  Architecture a = family_info(family).defaults;
  a.family = family;
  a.vocab_size = 67;
  a.context_length = 48;
  a.hidden = 32;
  a.layers = 4;
  a.heads = 4;
  a.kv_heads = family == Family::gpt2 || family == Family::gpt_neox ? 4 : 2;
  a.head_dim = 8;
  a.ffn = 64;
  a.rope_dim = a.positions == Positions::rope ? 8 : 0;
  a.rope_style = RopeStyle::half;
  a.attention_scale = 1 / std::sqrt(8.0);
  if (a.embedding_scale != 1) a.embedding_scale = std::sqrt(32.0);
  a.sliding_window = a.sliding_pattern > 1 ? 5 : 0;
  return a;
}

std::vector<NamedTensor> random_tensors(const Architecture& a) {
  std::vector<NamedTensor> tensors;
  std::uint64_t stream = 0;
  for (const auto& spec : tensor_specs(a)) {
    std::size_t count = 1;
    for (const auto n : spec.shape) count *= static_cast<std::size_t>(n);
    const bool norm = spec.shape.size() == 1 && spec.name.ends_with("weight");
    tensors.push_back({spec.name, TensorType::f32, spec.shape, [count, norm, seed = ++stream] {
                         Random random(7, seed);
                         std::vector<float> values(count);
                         for (float& x : values) {
                           x = static_cast<float>(0.15 * random.normal() + (norm ? 1 : 0));
                         }
                         std::vector<std::byte> bytes(count * 4);
                         std::memcpy(bytes.data(), values.data(), bytes.size());
                         return bytes;
                       }});
  }
  return tensors;
}

// The largest difference of logits, relative to the largest logit.
double difference(const fs::path& model, std::span<const TokenId> tokens) {
  const auto torch = distill::torch_logits(model, tokens);
  const Checkpoint checkpoint = Checkpoint::open(model);
  const Model runnable(checkpoint);
  ThreadPool pool(1);
  Decoder decoder(runnable, pool);
  const auto ours = decoder.forward(tokens, true);
  EXPECT_EQ(torch.size(), ours.size());
  double worst = 0, largest = 1;
  for (std::size_t i = 0; i < std::min(ours.size(), torch.size()); ++i) {
    worst = std::max(worst, static_cast<double>(std::abs(ours[i] - torch[i])));
    largest = std::max(largest, static_cast<double>(std::abs(ours[i])));
  }
  return worst / largest;
}

class Parity : public testing::TestWithParam<Family> {
 protected:
  void SetUp() override {
    if (!distill::can_train()) GTEST_SKIP() << "built without libtorch";
    folder = fs::temp_directory_path() / ("limbeck-parity-" + std::to_string(::getpid()));
    fs::create_directories(folder);
  }
  ~Parity() override { fs::remove_all(folder); }
  fs::path folder;
};
INSTANTIATE_TEST_SUITE_P(Families, Parity,
                         testing::Values(Family::llama, Family::mistral, Family::qwen2,
                                         Family::qwen3, Family::gemma2, Family::gemma3,
                                         Family::phi3, Family::gpt2, Family::gpt_neox),
                         [](const auto& family) { return std::string(name(family.param)); });

TEST_P(Parity, RuntimeAndTorchGiveTheSameLogits) {
  const Architecture a = small(GetParam());
  std::vector<TokenId> tokens;
  for (int i = 0; i < 23; ++i) tokens.push_back((i * 29 + 5) % 67);
  write_hf_model(folder / "hf", a, nullptr, random_tensors(a));
  EXPECT_LT(difference(folder / "hf", tokens), 1e-4);
  write_gguf_model(folder / "m.gguf", a, nullptr, random_tensors(a));
  EXPECT_LT(difference(folder / "m.gguf", tokens), 1e-4);
}

TEST(RealModels, RuntimeAndTorchGiveTheSameLogits) {
  if (!distill::can_train()) GTEST_SKIP() << "built without libtorch";
  const char* variable = std::getenv("LIMBECK_TEST_DATA");
  const fs::path data =
      variable ? fs::path(variable) : fs::path(LIMBECK_SOURCE_DIR) / "../shared/data";
  if (!fs::exists(data / "models")) GTEST_SKIP() << "no " << data.string();
  std::vector<fs::path> models;
  for (const auto& entry : fs::recursive_directory_iterator(data / "models")) {
    if (entry.path().extension() == ".gguf") models.push_back(entry.path());
    if (entry.path().filename() == "model.safetensors")
      models.push_back(entry.path().parent_path());
  }
  ASSERT_GE(models.size(), 3u);
  for (const auto& model : models) {
    const auto vocab = read_architecture(model).vocab_size;
    std::vector<TokenId> tokens;
    for (int i = 0; i < 40; ++i) tokens.push_back(static_cast<TokenId>((i * 31 + 3) % vocab));
    EXPECT_LT(difference(model, tokens), 1e-4) << model;
  }
}

}  // namespace
}  // namespace limbeck
