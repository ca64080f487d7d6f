#include "limbeck/model/checkpoint.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/json.h"
#include "limbeck/codec/codec.h"
#include "limbeck/format/safetensors.h"
#include "limbeck/model/families.h"
#include "limbeck/model/hf_config.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

// A folder that goes away with the test.
class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "limbeck-model-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path_); }
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

Architecture tiny(Family family) {
  Json config = {{"vocab_size", 40},
                 {"hidden_size", 32},
                 {"intermediate_size", 48},
                 {"max_position_embeddings", 64},
                 {"num_attention_heads", 4},
                 {"num_hidden_layers", 2},
                 {"num_key_value_heads", 2},
                 {"n_embd", 32},
                 {"n_head", 4},
                 {"n_layer", 2},
                 {"n_positions", 64},
                 {"query_pre_attn_scalar", 8},
                 {"original_max_position_embeddings", 64}};
  if (family != Family::phi3 && family != Family::gpt2) config["head_dim"] = 8;
  if (family == Family::gpt_neox) config.erase("num_key_value_heads");
  config["model_type"] = model_type(family);
  return from_hf_config(config, "tiny");
}

// Deterministic weights, different for every tensor and position; matrices are of `matrices` where
// their rows divide into its blocks, all else is f32.
std::vector<NamedTensor> weights(const Architecture& a, TensorType matrices = TensorType::f32) {
  std::vector<NamedTensor> out;
  float next = 0.25f;
  for (TensorSpec& spec : tensor_specs(a)) {
    const auto columns = static_cast<std::size_t>(spec.shape.back());
    const std::size_t rows = spec.shape.size() == 2 ? static_cast<std::size_t>(spec.shape[0]) : 1;
    const bool blocks = columns % info(matrices).block_weights == 0;
    const TensorType type = spec.shape.size() == 2 && blocks ? matrices : TensorType::f32;
    const std::size_t width = row_bytes(type, spec.shape.back());
    std::vector<std::byte> bytes(rows * width);
    std::vector<float> row(columns);
    for (std::size_t r = 0; r < rows; ++r) {
      for (float& value : row) value = next += 0.125f;
      encode_row(type, row, std::span(bytes).subspan(r * width, width));
    }
    next = std::fmod(next, 64.0f);
    out.push_back({spec.name, type, spec.shape, [bytes] { return bytes; }});
  }
  return out;
}

std::vector<float> floats(const NamedTensor& tensor) {
  const std::vector<std::byte> bytes = tensor.make_bytes();
  std::vector<float> out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

class EveryFamily : public testing::TestWithParam<Family> {};

TEST_P(EveryFamily, FolderHoldsWhatWasWritten) {
  const Folder folder;
  const Architecture a = tiny(GetParam());
  const auto tensors = weights(a);
  WriteOptions options;
  options.manifest = {{"prompt", "bare"}};
  write_hf_model(folder / "model", a, nullptr, tensors, options);
  const Checkpoint read = Checkpoint::open(folder / "model");
  EXPECT_EQ(read.manifest(), options.manifest);
  EXPECT_FALSE(read.has_tokenizer());
  EXPECT_TRUE(read.unused().empty());
  Architecture named = a;
  named.name = "model";
  EXPECT_EQ(read.architecture(), named);
  for (const NamedTensor& tensor : tensors) {
    EXPECT_EQ(read.floats(tensor.name), floats(tensor)) << tensor.name;
  }
}

TEST_P(EveryFamily, GgufAndBackIsTheSame) {
  const Folder folder;
  const Architecture a = tiny(GetParam());
  const auto tensors = weights(a);
  write_gguf_model(folder / "model.gguf", a, nullptr, tensors);
  const Checkpoint file = Checkpoint::open(folder / "model.gguf");
  EXPECT_TRUE(file.unused().empty());
  EXPECT_EQ(parameter_count(file.architecture()), parameter_count(a));
  // Llama's q rows are permuted there, and Gemma's norms shifted: the architecture says so.
  const bool llama = GetParam() == Family::llama || GetParam() == Family::mistral;
  EXPECT_EQ(file.architecture().rope_style, llama ? RopeStyle::interleaved : RopeStyle::half);
  EXPECT_NE(file.architecture().norm, NormKind::rms_plus_one);

  write_hf_model(folder / "back", file.architecture(), nullptr, tensors_of(file));
  const Checkpoint back = Checkpoint::open(folder / "back");
  Architecture expected = a;
  expected.name = "back";
  if (expected.family == Family::mistral) expected.family = Family::llama;  // one in GGUF
  EXPECT_EQ(back.architecture(), expected);
  for (const NamedTensor& tensor : tensors) {
    EXPECT_EQ(back.floats(tensor.name), floats(tensor)) << tensor.name;
  }
}

TEST_P(EveryFamily, QuantizedRowsSurviveGguf) {
  const Folder folder;
  const Architecture a = tiny(GetParam());
  const auto mixed = weights(a, TensorType::q8_0);
  write_gguf_model(folder / "model.gguf", a, nullptr, mixed);
  const Checkpoint file = Checkpoint::open(folder / "model.gguf");
  // v is never permuted: its rows come out as they went in, also from a fused tensor.
  const NamedTensor& v = *std::ranges::find(mixed, "blk.1.attn_v.weight", &NamedTensor::name);
  const Weight weight = file.at("blk.1.attn_v.weight");
  EXPECT_EQ(weight.type, TensorType::q8_0);
  EXPECT_EQ(std::vector<std::byte>(weight.bytes.begin(), weight.bytes.end()), v.make_bytes());
}

INSTANTIATE_TEST_SUITE_P(Model, EveryFamily,
                         testing::Values(Family::llama, Family::mistral, Family::qwen2,
                                         Family::qwen3, Family::gemma2, Family::gemma3,
                                         Family::phi3, Family::gpt2, Family::gpt_neox),
                         [](const auto& row) { return std::string(name(row.param)); });

// A Llama folder whose tensors each test changes before it is written.
struct Parts {
  Json config = hf_config(tiny(Family::llama));
  std::vector<NamedTensor> tensors = weights(tiny(Family::llama));
  std::vector<StoredTensor> stored;
  std::vector<std::vector<std::byte>> bytes;

  void add(std::string name, TensorType type, Shape shape) {
    std::size_t n = info(type).block_bytes;
    for (const std::int64_t size : shape) n *= static_cast<std::size_t>(size);
    bytes.emplace_back(n, std::byte{0});
    stored.push_back({std::move(name), type, std::move(shape), bytes.back()});
  }
  explicit Parts(const std::string& prefix = "model.") {
    bytes.reserve(64);
    add(prefix + "embed_tokens.weight", TensorType::f32, {40, 32});
    add("lm_head.weight", TensorType::f32, {40, 32});
    add(prefix + "norm.weight", TensorType::f32, {32});
    for (const std::string i : {"0", "1"}) {
      const std::string layer = prefix + "layers." + i + ".";
      add(layer + "input_layernorm.weight", TensorType::f32, {32});
      add(layer + "self_attn.q_proj.weight", TensorType::f32, {32, 32});
      add(layer + "self_attn.k_proj.weight", TensorType::f32, {16, 32});
      add(layer + "self_attn.v_proj.weight", TensorType::f32, {16, 32});
      add(layer + "self_attn.o_proj.weight", TensorType::f32, {32, 32});
      add(layer + "post_attention_layernorm.weight", TensorType::f32, {32});
      add(layer + "mlp.gate_proj.weight", TensorType::f32, {48, 32});
      add(layer + "mlp.up_proj.weight", TensorType::f32, {48, 32});
      add(layer + "mlp.down_proj.weight", TensorType::f32, {32, 48});
    }
  }
  void drop(std::string_view name) {
    std::erase_if(stored, [&](const StoredTensor& tensor) { return tensor.name == name; });
  }
  Checkpoint open(const Folder& folder) const {
    fs::create_directories(folder / "m");
    write_file(folder / "m/config.json", config.dump());
    write_safetensors(folder / "m/model.safetensors", stored);
    return Checkpoint::open(folder / "m");
  }
  std::string error(const Folder& folder, ErrorKind kind) const {
    try {
      open(folder);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      return error.what();
    }
    return "no error";
  }
};

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(Checkpoint, TiedModelMayHoldItsMatrixAsOutputOnly) {
  const Folder folder;
  Parts parts;
  parts.config["tie_word_embeddings"] = true;
  parts.drop("model.embed_tokens.weight");
  const Checkpoint checkpoint = parts.open(folder);
  EXPECT_TRUE(checkpoint.find("token_embd.weight").has_value());
  EXPECT_FALSE(checkpoint.find("output.weight").has_value());
  EXPECT_TRUE(checkpoint.unused().empty());
}

TEST(Checkpoint, BaseModelsLackThePrefix) {
  const Folder folder;
  Parts parts("");
  parts.config["tie_word_embeddings"] = true;
  parts.drop("lm_head.weight");
  EXPECT_EQ(parts.open(folder).at("blk.1.attn_k.weight").rows, 16);
}

TEST(Checkpoint, BuffersAreNoStrangersAndStrangersAreNamed) {
  const Folder folder;
  Parts parts;
  parts.add("model.layers.0.self_attn.rotary_emb.inv_freq", TensorType::f32, {4});
  EXPECT_TRUE(parts.open(folder).unused().empty());
  parts.add("model.layers.0.adapter.weight", TensorType::f32, {4});
  EXPECT_EQ(parts.open(folder).unused(), std::vector<std::string>{"model.layers.0.adapter.weight"});
}

TEST(Checkpoint, MissingTensorIsNamed) {
  const Folder folder;
  Parts parts;
  parts.drop("model.layers.1.mlp.up_proj.weight");
  const std::string message = parts.error(folder, ErrorKind::format);
  EXPECT_TRUE(contains(message, "model.layers.1.mlp.up_proj.weight")) << message;
  EXPECT_TRUE(contains(message, "blk.1.ffn_up.weight")) << message;
}

TEST(Checkpoint, WrongShapeSaysExpectedAndFound) {
  const Folder folder;
  Parts parts;
  parts.drop("model.layers.0.self_attn.k_proj.weight");
  parts.add("model.layers.0.self_attn.k_proj.weight", TensorType::f32, {32, 16});
  const std::string message = parts.error(folder, ErrorKind::format);
  EXPECT_TRUE(contains(message, "[32, 16]") && contains(message, "[16, 32]")) << message;
}

TEST(Checkpoint, WrongTypeIsNamed) {
  const Folder folder;
  Parts parts;
  parts.drop("model.norm.weight");
  parts.add("model.norm.weight", TensorType::i32, {32});
  const std::string message = parts.error(folder, ErrorKind::unsupported);
  EXPECT_TRUE(contains(message, "model.norm.weight") && contains(message, "i32")) << message;
}

TEST(Checkpoint, WhatIsNoModelIsSaid) {
  const Folder folder;
  EXPECT_THROW(Checkpoint::open(folder / "nothing"), Error);
  fs::create_directories(folder / "empty");
  try {
    Checkpoint::open(folder / "empty");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_FALSE(error.remedy().empty());
  }
}

TEST(WriteModel, FusedTensorsMustShareAType) {
  const Folder folder;
  const Architecture a = tiny(Family::gpt2);
  auto tensors = weights(a);
  const auto halves = weights(a, TensorType::f16);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].name == "blk.0.attn_v.weight") tensors[i] = halves[i];
  }
  EXPECT_THROW(write_gguf_model(folder / "x.gguf", a, nullptr, tensors), Error);
  EXPECT_FALSE(fs::exists(folder / "x.gguf"));
  EXPECT_EQ(fused_tensors(a).at(0),
            (std::vector<std::string>{"blk.0.attn_q.weight", "blk.0.attn_k.weight",
                                      "blk.0.attn_v.weight"}));
  EXPECT_TRUE(fused_tensors(tiny(Family::llama)).empty());
}

TEST(WriteModel, MissingSuperfluousAndQuantizedTensorsAreRefused) {
  const Folder folder;
  const Architecture a = tiny(Family::llama);
  auto tensors = weights(a);
  tensors.pop_back();
  EXPECT_THROW(write_hf_model(folder / "x", a, nullptr, tensors), Error);
  tensors = weights(a);
  tensors.push_back({"blk.9.attn_q.weight", TensorType::f32, {1}, nullptr});
  EXPECT_THROW(write_hf_model(folder / "x", a, nullptr, tensors), Error);
  EXPECT_THROW(write_hf_model(folder / "x", a, nullptr, weights(tiny(Family::qwen2))), Error);
  EXPECT_THROW(write_hf_model(folder / "x", a, nullptr, weights(a, TensorType::q8_0)), Error);
  EXPECT_FALSE(fs::exists(folder / "x"));
}

TEST(WriteModel, AModelFolderIsReplacedAnythingElseIsNot) {
  const Folder folder;
  const Architecture a = tiny(Family::llama);
  write_hf_model(folder / "model", a, nullptr, weights(a));
  write_file(folder / "model/stale.txt", "old");
  write_hf_model(folder / "model", a, nullptr, weights(a));
  EXPECT_FALSE(fs::exists(folder / "model/stale.txt"));
  fs::create_directories(folder / "photos");
  write_file(folder / "photos/cat.jpg", "cat");
  EXPECT_THROW(write_hf_model(folder / "photos", a, nullptr, weights(a)), Error);
  EXPECT_TRUE(fs::exists(folder / "photos/cat.jpg"));
}

TEST(WriteModel, LargeModelsAreShardedAndReadBack) {
  const Folder folder;
  const Architecture a = tiny(Family::qwen3);
  WriteOptions options;
  options.shard_bytes = 10'000;
  const auto tensors = weights(a);
  write_hf_model(folder / "model", a, nullptr, tensors, options);
  EXPECT_TRUE(fs::exists(folder / "model/model.safetensors.index.json"));
  const Checkpoint read = Checkpoint::open(folder / "model");
  for (const NamedTensor& tensor : tensors) {
    EXPECT_EQ(read.floats(tensor.name), floats(tensor)) << tensor.name;
  }
}

TEST(WriteModel, ScaledRopeSurvivesGguf) {
  const Folder folder;
  Architecture a = tiny(Family::llama);
  a.rope_theta = 500000;
  a.rope_scaling.kind = RopeScaling::Kind::llama3;
  a.rope_scaling.factor = 8;
  a.rope_scaling.original_context = 8192;
  write_gguf_model(folder / "llama3.gguf", a, nullptr, weights(a));
  EXPECT_EQ(read_architecture(folder / "llama3.gguf").rope_scaling, a.rope_scaling);

  a = tiny(Family::phi3);
  a.context_length = 128;
  a.rope_scaling.kind = RopeScaling::Kind::longrope;
  a.rope_scaling.original_context = 64;
  a.rope_scaling.attention_factor = 1.25;
  a.rope_scaling.short_factors = {1, 1.5, 2, 2.5};
  a.rope_scaling.long_factors = {1, 2, 4, 8};
  write_gguf_model(folder / "longrope.gguf", a, nullptr, weights(a));
  EXPECT_EQ(read_architecture(folder / "longrope.gguf").rope_scaling, a.rope_scaling);

  a = tiny(Family::qwen2);
  a.rope_scaling.kind = RopeScaling::Kind::yarn;
  a.rope_scaling.factor = 4;
  a.rope_scaling.original_context = 64;
  write_gguf_model(folder / "yarn.gguf", a, nullptr, weights(a));
  EXPECT_EQ(read_architecture(folder / "yarn.gguf").rope_scaling, a.rope_scaling);
}

TEST(WriteModel, WhatGgufCannotSayIsRefused) {
  const Folder folder;
  Architecture a = tiny(Family::gemma2);
  a.attention_scale = 0.5;
  EXPECT_THROW(write_gguf_model(folder / "x.gguf", a, nullptr, weights(a)), Error);
  a = tiny(Family::llama);
  a.activation = Activation::gelu;
  EXPECT_THROW(write_gguf_model(folder / "x.gguf", a, nullptr, weights(a)), Error);
}

fs::path data() {
  if (const char* given = std::getenv("LIMBECK_TEST_DATA")) return given;
  return fs::path(LIMBECK_SOURCE_DIR) / "../shared/data";
}

TEST(RealModels, Open) {
  const fs::path models = data() / "models";
  if (!fs::exists(models)) GTEST_SKIP() << "no real models at " << models;
  const Checkpoint stories = Checkpoint::open(models / "TinyStories-656K");
  EXPECT_EQ(parameter_count(stories.architecture()), 656'000);
  EXPECT_EQ(stories.at("token_embd.weight").rows, 2048);
  const Checkpoint gpt = Checkpoint::open(models / "capp-gpt");
  EXPECT_EQ(parameter_count(gpt.architecture()), 236'224);
  EXPECT_TRUE(gpt.unused().empty());
  EXPECT_EQ(gpt.at("blk.0.attn_v.weight").rows, 64);
  const Checkpoint gguf = Checkpoint::open(models / "stories260K/stories260Ktok512.gguf");
  EXPECT_EQ(gguf.architecture().rope_style, RopeStyle::interleaved);
  EXPECT_EQ(gguf.architecture().ffn, 172);
  EXPECT_EQ(gguf.at("blk.4.ffn_down.weight").columns, 172);
  EXPECT_FALSE(gguf.architecture().tied_embeddings);
}

}  // namespace
}  // namespace limbeck
