// Forward passes of one layer after the other against whole ones.
#include "limbeck/quantize/calibration.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "limbeck/base/error.h"
#include "limbeck/base/random.h"
#include "limbeck/quantize/decoded_matrix.h"
#include "limbeck/quantize/divergence.h"
#include "limbeck/quantize/probe.h"
#include "limbeck/runtime/random_model.h"

namespace limbeck {
namespace {

Architecture small() {
  Architecture a = known_shape("smollm2-135m");
  a.vocab_size = 200, a.context_length = 32, a.hidden = 64, a.layers = 3, a.heads = 4;
  a.kv_heads = 2, a.head_dim = 16, a.rope_dim = 16, a.ffn = 96, a.attention_scale = 0.25;
  return a;
}

class Layered : public testing::TestWithParam<std::uint64_t> {
 protected:
  void SetUp() override {
    write_random_model(path_, small(), TensorType::f32, 5);
    Random random(2);
    for (std::size_t i = 0; i < 3; ++i) {
      sequences_.emplace_back();
      for (std::size_t t = 0; t < 20 + i; ++t)
        sequences_[i].push_back(static_cast<TokenId>(random.below(200)));
    }
    for (int i = 0; i < 3; ++i) {
      for (const char* part : {"attn_q", "attn_output", "ffn_gate", "ffn_down"})
        names_.insert("blk." + std::to_string(i) + "." + part + ".weight");
    }
    names_.insert("token_embd.weight");  // the output's: they are tied
  }
  void TearDown() override { std::filesystem::remove(path_); }

  LayeredOptions options() const { return {.memory_bytes = GetParam()}; }

  // By a tap on whole forward passes.
  std::map<std::string, Hessian, std::less<>> of_whole_passes(const Checkpoint& checkpoint) {
    const Model model(checkpoint);
    Decoder decoder(model, pool_);
    std::map<std::string, Hessian, std::less<>> all;
    decoder.set_tap([&](std::string_view name, std::span<const float> x, std::int64_t columns) {
      all.try_emplace(std::string(name), static_cast<std::size_t>(columns))
          .first->second.add(x, pool_);
    });
    for (const auto& sequence : sequences_) {
      decoder.truncate(0, 0);
      decoder.forward(sequence, true);
    }
    for (auto& [name, hessian] : all) hessian.finish();
    return all;
  }

  std::filesystem::path path_ = std::filesystem::temp_directory_path() /
                                ("limbeck-layered-" + std::to_string(::getpid()) + ".gguf");
  TokenSequences sequences_;
  std::set<std::string, std::less<>> names_;
  ThreadPool pool_{2};
};

TEST_P(Layered, StatisticsAreThoseOfWholePasses) {
  const Checkpoint checkpoint = Checkpoint::open(path_);
  const auto whole = of_whole_passes(checkpoint);
  LayeredForward once(checkpoint, sequences_, pool_, options());
  const auto all = gather_statistics(once, {.first = 0, .last = 3, .output = true}, names_, pool_);
  EXPECT_EQ(all.hessians.size(), names_.size());
  for (const auto& [name, hessian] : all.hessians) {
    EXPECT_EQ(hessian.moments, whole.at(name).moments) << name;
    EXPECT_EQ(hessian.count, 63) << name;
  }
  EXPECT_EQ(all.importance.entries.size(), names_.size());
  LayeredForward forward(checkpoint, sequences_, pool_, options());
  for (const std::int64_t layer : {0, 2}) {  // a layer between is passed through
    const auto one = gather_statistics(forward, {.first = layer, .last = layer + 1, .stay = true},
                                       names_, pool_);
    EXPECT_EQ(forward.layer(), layer);
    EXPECT_EQ(one.hessians.size(), 4u);
    for (const auto& [name, hessian] : one.hessians)
      EXPECT_EQ(hessian.moments, whole.at(name).moments) << name;
  }
}

TEST_P(Layered, OutputsAreThoseOfWholePasses) {
  const Checkpoint checkpoint = Checkpoint::open(path_);
  const auto other_path = path_.string() + ".other";
  write_random_model(other_path, small(), TensorType::f32, 6);
  const Checkpoint other = Checkpoint::open(other_path);
  LayeredForward a(checkpoint, sequences_, pool_, options());
  LayeredForward b(other, sequences_, pool_, options());
  a.finish(), b.finish();
  const Model model(checkpoint);
  Decoder decoder(model, pool_);
  std::vector<std::size_t> seen(sequences_.size());
  LayeredForward::compare_outputs(a, b, [&](std::size_t i, std::size_t first, auto mine, auto) {
    EXPECT_EQ(seen[i], first);
    seen[i] += mine.size() / 200;
    decoder.truncate(0, 0);
    const auto whole = decoder.forward(sequences_[i], true).subspan(first * 200, mine.size());
    EXPECT_EQ(std::memcmp(whole.data(), mine.data(), mine.size_bytes()), 0) << i << ' ' << first;
  });
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], sequences_[i].size());
  const Divergence in_layers = layered_divergence(checkpoint, other, sequences_, pool_, options());
  const Divergence whole = divergence(model, Model(other), sequences_, pool_);
  EXPECT_GT(whole.mean_kl, 0);
  EXPECT_NEAR(in_layers.mean_kl, whole.mean_kl, 1e-12 * whole.mean_kl);
  EXPECT_EQ(in_layers.positions, whole.positions);
  EXPECT_EQ(in_layers.sequence_kl.size(), sequences_.size());
  EXPECT_NEAR(in_layers.nll, whole.nll, 1e-12 * whole.nll);
  std::filesystem::remove(other_path);
}

TEST_P(Layered, AProbeSaysWhatAWholeComparisonSays) {
  const Checkpoint checkpoint = Checkpoint::open(path_);
  const Model model(checkpoint);
  Probe probe(checkpoint, sequences_, pool_, options());
  // Out of order, too; the embedding is the output as well.
  for (const std::string name :
       {"token_embd.weight", "blk.1.ffn_down.weight", "blk.1.attn_q.weight", "blk.2.ffn_up.weight",
        "blk.0.attn_v.weight"}) {
    Weight weight = checkpoint.at(name);
    const auto* values = reinterpret_cast<const float*>(weight.bytes.data());
    DecodedMatrix changed(weight.rows, weight.columns, nullptr);
    std::vector<float> rows(values, values + weight.rows * weight.columns);
    for (std::size_t i = 0; i < rows.size(); i += 3) rows[i] *= 1.5f;
    changed.store(0, rows);
    Checkpoint tried = Checkpoint::open(path_);
    tried.replace(name, changed.weight());
    const double whole = divergence(model, Model(tried), sequences_, pool_).mean_kl;
    EXPECT_GT(whole, 1e-6) << name;
    EXPECT_NEAR(probe.divergence_with(name, changed.weight()), whole, 1e-12 * whole) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Memory, Layered, testing::Values(std::uint64_t{1} << 20, 0u, 4000u));

TEST(DecodedMatrix, InMemoryAndInAFile) {
  const std::filesystem::path folder = testing::TempDir();
  for (const std::filesystem::path* in :
       {static_cast<const std::filesystem::path*>(nullptr), &folder}) {
    DecodedMatrix matrix(3, 2, in);
    matrix.store(1, std::vector<float>{3, 4, 5, 6});
    matrix.store(0, std::vector<float>{1, 2});
    const Weight weight = matrix.weight();
    ASSERT_EQ(weight.bytes.size(), 24u);
    std::vector<float> values(6);
    std::memcpy(values.data(), weight.bytes.data(), 24);
    EXPECT_EQ(values, (std::vector<float>{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(weight.owned == nullptr, in != nullptr);
  }
}

TEST(ResidualStreams, InMemoryAndInAFile) {
  for (const std::uint64_t memory : {1u << 20, 0u}) {
    ResidualStreams streams({3, 0, 5}, memory, {});
    EXPECT_EQ(streams.in_file(), memory == 0);
    streams.store(2, std::vector<float>{5, 6, 7, 8, 9});
    streams.store(0, std::vector<float>{1, 2, 3});
    std::vector<float> values;
    streams.load(2, values);
    EXPECT_EQ(values, (std::vector<float>{5, 6, 7, 8, 9}));
    streams.load(0, values);
    EXPECT_EQ(values, (std::vector<float>{1, 2, 3}));
    streams.load(1, values);
    EXPECT_TRUE(values.empty());
  }
  EXPECT_THROW(ResidualStreams({3}, 0, "/no/such/folder"), Error);
}

}  // namespace
}  // namespace limbeck
