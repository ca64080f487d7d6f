// Statistics of one layer after the other against those of whole forward passes.
#include "limbeck/quantize/calibration.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "limbeck/base/random.h"
#include "limbeck/runtime/random_model.h"

namespace limbeck {
namespace {

TEST(LayerStatistics, AreThoseOfWholePasses) {
  Architecture a = known_shape("smollm2-135m");
  a.vocab_size = 200, a.context_length = 32, a.hidden = 64, a.layers = 3, a.heads = 4;
  a.kv_heads = 2, a.head_dim = 16, a.rope_dim = 16, a.ffn = 96, a.attention_scale = 0.25;
  const auto path = std::filesystem::temp_directory_path() /
                    ("limbeck-statistics-" + std::to_string(::getpid()) + ".gguf");
  write_random_model(path, a, TensorType::f32, 5);
  TokenSequences sequences(3);
  Random random(2);
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    for (std::size_t t = 0; t < 20 + i; ++t) {
      sequences[i].push_back(static_cast<TokenId>(random.below(200)));
    }
  }
  const Checkpoint checkpoint = Checkpoint::open(path);
  const Model model(checkpoint);
  ThreadPool pool(2);
  std::set<std::string, std::less<>> names;
  for (int i = 0; i < 3; ++i) {
    for (const char* part : {"attn_q", "attn_output", "ffn_gate", "ffn_down"}) {
      names.insert("blk." + std::to_string(i) + "." + part + ".weight");
    }
  }
  const auto whole = gather_statistics(model, sequences, names, pool).hessians;
  ResidualStreams streams;
  std::size_t compared = 0;
  for (const std::int64_t layer : {0, 2}) {  // a layer between is passed through
    const auto one = gather_layer_statistics(model, sequences, layer, streams, names, pool);
    EXPECT_EQ(one.hessians.size(), 4u);
    for (const auto& [name, hessian] : one.hessians) {
      EXPECT_EQ(hessian.moments, whole.at(name).moments) << name;
      EXPECT_EQ(hessian.count, 63) << name;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 8u);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace limbeck
