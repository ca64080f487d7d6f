// The decoder against itself: what must not matter does not, bit for bit.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"
#include "limbeck/runtime/model.h"
#include "limbeck/runtime/random_model.h"

namespace limbeck {
namespace {

Architecture small_llama() {
  Architecture a = known_shape("smollm2-135m");
  a.vocab_size = 300;
  a.context_length = 96;
  a.hidden = 256;
  a.layers = 2;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_dim = 64;
  a.rope_dim = 64;
  a.ffn = 256;
  return a;
}

Architecture small_gemma() {
  Architecture a = small_llama();
  a.family = Family::gemma2;
  a.rope_style = RopeStyle::half;
  a.post_norms = true;
  a.activation = Activation::gelu_tanh;
  a.embedding_scale = std::sqrt(256.0);
  a.attention_softcap = 50;
  a.logit_softcap = 30;
  a.sliding_window = 7;
  a.sliding_pattern = 2;
  return a;
}

class File {
 public:
  File(const Architecture& a, TensorType type)
      : path_(std::filesystem::temp_directory_path() / ("limbeck-" + std::to_string(::getpid()) +
                                                        "-" + std::to_string(count_++) + ".gguf")) {
    write_random_model(path_, a, type, 7);
  }
  ~File() { std::filesystem::remove(path_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  static inline int count_ = 0;
  std::filesystem::path path_;
};

std::vector<TokenId> random_ids(std::size_t n, std::uint64_t seed) {
  Random random(seed);
  std::vector<TokenId> ids(n);
  for (TokenId& id : ids) id = static_cast<TokenId>(random.below(300));
  return ids;
}

std::vector<float> copy_of(std::span<const float> values) { return {values.begin(), values.end()}; }

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

struct Case {
  const char* name;
  Architecture (*architecture)();
  TensorType type;
};

class Decoders : public testing::TestWithParam<Case> {
 protected:
  File file_{GetParam().architecture(), GetParam().type};
  Checkpoint checkpoint_ = Checkpoint::open(file_.path());
  Model model_{checkpoint_};
  ThreadPool pool_{2};
  std::vector<TokenId> ids_ = random_ids(60, 3);

  std::vector<float> all_logits(const DecoderOptions& options = {}) {
    Decoder decoder(model_, pool_, options);
    return copy_of(decoder.forward(ids_, true));
  }
  std::size_t vocab() const { return static_cast<std::size_t>(model_.architecture().vocab_size); }
};

TEST_P(Decoders, TokenByTokenIsThePromptAtOnce) {
  const auto together = all_logits();
  Decoder decoder(model_, pool_);
  for (std::size_t i = 0; i < ids_.size(); ++i) {
    const auto one = decoder.forward(std::span(ids_).subspan(i, 1), false);
    ASSERT_TRUE(same_bits(one, std::span(together).subspan(i * vocab(), vocab()))) << i;
  }
}

TEST_P(Decoders, ChunksAndThreadsDoNotMatter) {
  const auto expected = all_logits();
  for (const std::size_t chunk : {1u, 7u, 32u}) {
    EXPECT_TRUE(same_bits(all_logits({.batch = chunk}), expected)) << chunk;
  }
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    Decoder decoder(model_, pool);
    EXPECT_TRUE(same_bits(decoder.forward(ids_, true), expected)) << threads;
  }
}

TEST_P(Decoders, LayersOneByOneAreLayersTogether) {
  const std::int64_t layers = model_.architecture().layers;
  std::vector<float> together(ids_.size() * static_cast<std::size_t>(model_.architecture().hidden));
  std::vector<float> one_by_one(together.size(), 3.0f);
  Decoder decoder(model_, pool_, {.batch = 7});
  decoder.forward_layers(ids_, 0, layers, together);
  for (std::int64_t i = 0; i < layers; ++i) decoder.forward_layers(ids_, i, i + 1, one_by_one);
  EXPECT_TRUE(same_bits(one_by_one, together));
  std::vector<float> inputs;  // of the layers as a whole forward has them
  std::vector<float> alone;
  Decoder whole(model_, pool_);
  const auto into = [](std::vector<float>& all) {
    return [&all](std::string_view, std::span<const float> x, std::int64_t) {
      all.insert(all.end(), x.begin(), x.end());
    };
  };
  whole.set_tap(into(inputs));
  whole.forward(Batch{std::vector<Batch::Item>(1, {ids_[0], 0, false})});
  Decoder steps(model_, pool_);
  steps.set_tap(into(alone));
  std::vector<float> stream(static_cast<std::size_t>(model_.architecture().hidden));
  for (std::int64_t i = 0; i < layers; ++i) {
    steps.forward_layers(std::span(ids_).first(1), i, i + 1, stream);
  }
  EXPECT_TRUE(same_bits(alone, inputs));
}

TEST_P(Decoders, RepackingDoesNotMatter) {
  const Model mapped(checkpoint_, {.repack = false});
  EXPECT_EQ(mapped.memory_bytes(), 0u);
  Decoder decoder(mapped, pool_);
  EXPECT_TRUE(same_bits(decoder.forward(ids_, true), all_logits()));
}

TEST_P(Decoders, SequencesTogetherAreSequencesAlone) {
  const auto first = random_ids(20, 1), second = random_ids(33, 2);
  Decoder alone(model_, pool_);
  const auto a = copy_of(alone.forward(first, false));
  alone.truncate(0, 0);
  const auto b = copy_of(alone.forward(second, false));

  Decoder both(model_, pool_, {.n_sequences = 2});
  Batch batch;  // interleaved as far as both go
  for (std::size_t i = 0; i < second.size(); ++i) {
    if (i < first.size()) batch.items.push_back({first[i], 1, i + 1 == first.size()});
    batch.items.push_back({second[i], 0, i + 1 == second.size()});
  }
  const auto logits = both.forward(batch);
  EXPECT_TRUE(same_bits(logits.first(vocab()), a));
  EXPECT_TRUE(same_bits(logits.subspan(vocab()), b));
  EXPECT_EQ(both.length(0), 33);
  EXPECT_EQ(both.length(1), 20);
}

TEST_P(Decoders, TruncateForgetsAndCopyShares) {
  const auto expected = all_logits();
  Decoder decoder(model_, pool_, {.n_sequences = 2});
  decoder.forward(std::span(ids_).first(40), false);
  decoder.forward(random_ids(10, 9), false);
  decoder.truncate(0, 30);
  decoder.copy(0, 1);
  for (const int sequence : {0, 1}) {
    const auto rest = decoder.forward(std::span(ids_).subspan(30), true, sequence);
    EXPECT_TRUE(same_bits(rest, std::span(expected).subspan(30 * vocab()))) << sequence;
  }
}

// Halves keep 11 bits of keys and values, q8_0 eight; chunks and single tokens give the same bits
// with them too.
TEST_P(Decoders, SmallerCachesAreNear) {
  const auto expected = all_logits();
  const bool bf16 = GetParam().type == TensorType::bf16, rounded = is_quantized(GetParam().type);
  for (const TensorType cache : {TensorType::f16, TensorType::q8_0}) {
    const auto found = all_logits({.cache = cache});
    EXPECT_TRUE(same_bits(all_logits({.cache = cache, .batch = 7}), found));
    double error = 0, size = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      error += std::pow(found[i] - expected[i], 2);
      size += std::pow(expected[i], 2);
    }
    const double most = rounded ? 0.03 : cache == TensorType::q8_0 ? 0.02 : bf16 ? 8e-3 : 2e-3;
    EXPECT_LT(std::sqrt(error / size), most) << info(cache).name;
    EXPECT_GT(error, 0);
  }
}

TEST(Caches, OfATypeThatCannotBeAreRefused) {
  Architecture a = small_llama();
  a.head_dim = a.rope_dim = 48;  // no whole block
  a.attention_scale = 1 / std::sqrt(48.0);
  const File file(a, TensorType::f32);
  const Checkpoint checkpoint = Checkpoint::open(file.path());
  const Model model(checkpoint);
  ThreadPool pool(1);
  EXPECT_THROW(Decoder(model, pool, {.cache = TensorType::q8_0}), Error);
  EXPECT_THROW(Decoder(model, pool, {.cache = TensorType::q4_0}), Error);
  EXPECT_NO_THROW(Decoder(model, pool, {.cache = TensorType::f16}));
}

TEST_P(Decoders, TapSeesEachLayersInputAndChangesNothing) {
  const auto expected = all_logits();
  Decoder decoder(model_, pool_);
  std::vector<std::string> names;
  decoder.set_tap([&](std::string_view name, std::span<const float> x, std::int64_t columns) {
    names.emplace_back(name);
    EXPECT_EQ(x.size(), ids_.size() * static_cast<std::size_t>(columns)) << name;
  });
  EXPECT_TRUE(same_bits(decoder.forward(ids_, true), expected));
  const std::vector<std::string> expected_names = {
      "blk.0.attn_q.weight",   "blk.0.attn_output.weight", "blk.0.ffn_gate.weight",
      "blk.0.ffn_down.weight", "blk.1.attn_q.weight",      "blk.1.attn_output.weight",
      "blk.1.ffn_gate.weight", "blk.1.ffn_down.weight",    "token_embd.weight"};
  EXPECT_EQ(names, expected_names);
}

// Quantized weights times quantized activations against the same weights in f32: only the
// activations' rounding is between them. The largest of 32 normal values is about 2.2 sigma, the
// step 2.2/127, its rounding error 0.5 % of sigma in each of nine products on the way: 1.5 % in
// all if they were independent, and attention adds to it. Rounding to bf16 is 0.17 % at most.
TEST_P(Decoders, QuantizedIsNearItsDecodedWeights) {
  const bool bf16 = GetParam().type == TensorType::bf16;
  if (!bf16 && !is_quantized(GetParam().type)) GTEST_SKIP() << "multiplied as they are";
  const auto path = file_.path().string() + ".f32.gguf";
  std::vector<NamedTensor> tensors = tensors_of(checkpoint_);
  for (NamedTensor& tensor : tensors) {
    const auto values = checkpoint_.floats(tensor.name);
    tensor.type = TensorType::f32;
    tensor.make_bytes = [values] {
      const auto bytes = std::as_bytes(std::span(values));
      return std::vector<std::byte>(bytes.begin(), bytes.end());
    };
  }
  write_gguf_model(path, checkpoint_.architecture(), nullptr, tensors);
  const Checkpoint decoded = Checkpoint::open(path);
  const Model exact(decoded);
  Decoder decoder(exact, pool_);
  const auto expected = copy_of(decoder.forward(ids_, true));
  std::filesystem::remove(path);
  const auto found = all_logits();
  double error = 0, size = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    error += std::pow(found[i] - expected[i], 2);
    size += std::pow(expected[i], 2);
  }
  EXPECT_LT(std::sqrt(error / size), bf16 ? 0.006 : 0.03);
  EXPECT_GT(error, 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Decoders,
                         testing::Values(Case{"llama_f32", small_llama, TensorType::f32},
                                         Case{"llama_f16", small_llama, TensorType::f16},
                                         Case{"llama_bf16", small_llama, TensorType::bf16},
                                         Case{"llama_q8_0", small_llama, TensorType::q8_0},
                                         Case{"llama_q4_0", small_llama, TensorType::q4_0},
                                         Case{"llama_q4_k", small_llama, TensorType::q4_k},
                                         Case{"llama_q6_k", small_llama, TensorType::q6_k},
                                         Case{"llama_q2_k", small_llama, TensorType::q2_k},
                                         Case{"gemma_f32", small_gemma, TensorType::f32},
                                         Case{"gemma_bf16", small_gemma, TensorType::bf16},
                                         Case{"gemma_iq4_xs", small_gemma, TensorType::iq4_xs}),
                         [](const auto& instance) { return std::string(instance.param.name); });

TEST(DecoderErrors, BadInputIsRefusedAndChangesNothing) {
  const File file(small_llama(), TensorType::f32);
  const Checkpoint checkpoint = Checkpoint::open(file.path());
  const Model model(checkpoint);
  ThreadPool pool(1);
  EXPECT_THROW(Decoder(model, pool, {.context = 97}), Error);
  EXPECT_THROW(Decoder(model, pool, {.n_sequences = 0}), Error);
  EXPECT_THROW(Decoder(model, pool, {.cache = TensorType::q4_0}), Error);
  Decoder decoder(model, pool, {.context = 8});
  EXPECT_THROW(decoder.forward(std::array{TokenId{300}}, false), Error);
  EXPECT_THROW(decoder.forward(std::array{TokenId{-1}}, false), Error);
  EXPECT_THROW(decoder.forward(std::array{TokenId{1}}, false, 1), Error);
  EXPECT_THROW(decoder.forward(random_ids(9, 1), false), Error);
  EXPECT_THROW(decoder.truncate(0, 1), Error);
  EXPECT_EQ(decoder.length(), 0);
  EXPECT_EQ(decoder.forward(random_ids(8, 1), false).size(), 300u);
  EXPECT_THROW(decoder.forward(std::array{TokenId{1}}, false), Error);
  EXPECT_EQ(decoder.length(), 8);
}

// Longer than a piece of the attention and than what a cut sequence keeps.
TEST(LongSequences, PiecesAndCutsDoNotMatter) {
  for (Architecture a : {small_llama(), small_gemma()}) {
    a.context_length = 2600;
    a.layers = 2;
    if (a.sliding_window > 0) a.sliding_window = 300;
    const File file(a, TensorType::q8_0);
    const Checkpoint checkpoint = Checkpoint::open(file.path());
    const Model model(checkpoint);
    ThreadPool pool(1);
    const auto ids = random_ids(1500, 3);
    Decoder decoder(model, pool);
    const auto expected = copy_of(decoder.forward(ids, false));
    const std::size_t full = decoder.memory_bytes();
    decoder.truncate(0, 100);
    EXPECT_LT(decoder.memory_bytes(), full);
    decoder.forward(std::span(ids).subspan(100, 1398), false);
    decoder.forward(std::span(ids).subspan(1498, 1), false);
    EXPECT_TRUE(same_bits(decoder.forward(std::span(ids).last(1), false), expected));
  }
}

TEST(DecoderErrors, EveryDecodableTypeRuns) {
  Architecture a = small_llama();
  a.layers = 1;
  a.heads = 4, a.kv_heads = 1;
  a.vocab_size = 40;
  for (const TensorTypeInfo& type : tensor_types()) {
    if (!can_encode(type.type) || !can_decode(type.type)) continue;
    const File file(a, type.type);
    const Checkpoint checkpoint = Checkpoint::open(file.path());
    const Model model(checkpoint);
    ThreadPool pool(1);
    Decoder decoder(model, pool);
    for (const float logit : decoder.forward(std::array{TokenId{1}, TokenId{39}}, false)) {
      ASSERT_TRUE(std::isfinite(logit)) << type.name;
    }
  }
}

}  // namespace
}  // namespace limbeck
