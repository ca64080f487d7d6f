// Drafts change the speed and nothing else: the same tokens where greedy, the same distribution
// where sampled.
#include "limbeck/runtime/speculative.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/runtime/random_model.h"

namespace limbeck {
namespace {

Architecture shape(std::int64_t layers, std::int64_t vocab) {
  Architecture a = known_shape("smollm2-135m");
  a.vocab_size = vocab, a.context_length = 96, a.hidden = 64, a.layers = layers, a.heads = 2;
  a.kv_heads = 1, a.head_dim = 32, a.rope_dim = 32, a.ffn = 128;
  a.attention_scale = 1 / std::sqrt(32.0);
  return a;
}

struct Loaded {
  Loaded(const Architecture& a, std::uint64_t seed)
      : path(std::filesystem::temp_directory_path() /
             ("limbeck-speculative-" + std::to_string(::getpid()) + "-" + std::to_string(seed))) {
    write_random_model(path += ".gguf", a, TensorType::f32, seed);
    checkpoint.emplace(Checkpoint::open(path));
    model.emplace(*checkpoint);
  }
  ~Loaded() { std::filesystem::remove(path); }

  std::filesystem::path path;
  std::optional<Checkpoint> checkpoint;
  std::optional<Model> model;
};

const std::array<TokenId, 3> kPrompt{1, 2, 3};

TEST(Speculative, GreedyGivesTheSameTokens) {
  const Loaded target(shape(3, 50), 1), draft(shape(1, 50), 2);
  ThreadPool pool(1);
  for (const std::int64_t tokens : {1, 2, 40, 200}) {  // the last: to the end of the context
    const GenerateOptions options{.max_tokens = tokens};
    Decoder plain(*target.model, pool);
    const Generated expected = generate_ids(plain, kPrompt, options);
    for (const Loaded* by : {&draft, &target}) {
      for (const int max_draft : {1, 3, 8}) {
        Decoder one(*target.model, pool), two(*by->model, pool);
        SpeculativeStats stats;
        const Generated found =
            generate_speculative_ids(one, two, kPrompt, options, max_draft, stats);
        EXPECT_EQ(found.ids, expected.ids) << tokens << ' ' << max_draft;
        EXPECT_EQ(found.logprobs, expected.logprobs);
        EXPECT_LE(stats.accepted, stats.drafted);
        if (by == &target) {
          EXPECT_EQ(stats.accepted, stats.drafted);  // a model agrees with itself
          if (tokens == 40 && max_draft == 8) {
            EXPECT_LT(stats.passes, 12);
          }
        }
      }
    }
  }
}

TEST(Speculative, SamplesTheTargetsDistribution) {
  const Loaded target(shape(2, 6), 3), draft(shape(1, 6), 4);
  ThreadPool pool(1);
  Decoder plain(*target.model, pool), one(*target.model, pool), two(*draft.model, pool);
  const int n = 4000;
  std::map<std::vector<TokenId>, double> expected, found;
  SpeculativeStats stats;
  for (int i = 0; i < n; ++i) {
    GenerateOptions options{.max_tokens = 2};
    options.sampling = {.temperature = 0.8, .top_k = 5, .seed = 7};
    options.sampling.stream = static_cast<std::uint64_t>(i);
    plain.truncate(0, 0), one.truncate(0, 0), two.truncate(0, 0);
    expected[generate_ids(plain, kPrompt, options).ids] += 1;
    options.max_tokens = 4;  // two more, so that drafts of several are checked
    auto ids = generate_speculative_ids(one, two, kPrompt, options, 3, stats).ids;
    ids.resize(2);
    found[ids] += 1;
  }
  EXPECT_GT(stats.accepted, n / 20);
  EXPECT_LT(stats.accepted, stats.drafted);
  // Two samples of one distribution: chi squared of at most 35 degrees of freedom, 66.6 at p =
  // .001.
  double chi = 0;
  for (const auto& [ids, count] : expected) found.try_emplace(ids, 0);
  for (const auto& [ids, count] : found) {
    const double other = expected[ids];
    chi += (count - other) * (count - other) / (count + other);
  }
  EXPECT_LT(chi, 66.6) << found.size();
}

TEST(Speculative, RefusesWhatCannotBe) {
  const Loaded target(shape(1, 50), 5);
  ThreadPool pool(1);
  Decoder one(*target.model, pool), two(*target.model, pool);
  SpeculativeStats stats;
  GenerateOptions options;
  EXPECT_THROW(generate_speculative_ids(one, two, kPrompt, options, 0, stats), Error);
  EXPECT_THROW(generate_speculative_ids(one, two, {}, options, 2, stats), Error);
  options.stop = {"x"};
  EXPECT_THROW(generate_speculative_ids(one, two, kPrompt, options, 2, stats), Error);
}

}  // namespace
}  // namespace limbeck
