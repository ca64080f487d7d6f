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
#include <span>
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
const std::array<TokenId, 5> kOther{5, 4, 3, 2, 1};  // what a draft reads in its own form

TEST(Speculative, GreedyGivesTheSameTokens) {
  const Loaded target(shape(3, 50), 1), draft(shape(1, 50), 2);
  ThreadPool pool(1);
  for (const std::int64_t tokens : {1, 2, 40, 200}) {  // the last: to the end of the context
    const GenerateOptions options{.max_tokens = tokens};
    Decoder plain(*target.model, pool);
    const Generated expected = generate_ids(plain, kPrompt, options);
    for (const Loaded* by : {&draft, &target}) {
      for (const SpeculativePrompts& prompts :
           {SpeculativePrompts{kPrompt, kPrompt}, SpeculativePrompts{kPrompt, kOther}}) {
        for (const SpeculativeOptions& speculative :
             {SpeculativeOptions{1, 0}, SpeculativeOptions{3, 0}, SpeculativeOptions{16, 0},
              SpeculativeOptions{8, 0.05}}) {
          Decoder one(*target.model, pool), two(*by->model, pool);
          SpeculativeStats stats;
          const Generated found =
              generate_speculative_ids(one, two, prompts, options, speculative, stats);
          EXPECT_EQ(found.ids, expected.ids) << tokens << ' ' << speculative.most;
          EXPECT_EQ(found.logprobs, expected.logprobs);
          EXPECT_EQ(found.finish, expected.finish);
          EXPECT_EQ(one.length(), plain.length());
          EXPECT_LE(stats.accepted, stats.drafted);
        }
      }
    }
  }
}

SpeculativeStats stats_of(const Loaded& target, const Loaded& draft,
                          std::span<const TokenId> read_by_draft,
                          const SpeculativeOptions& speculative) {
  ThreadPool pool(1);
  Decoder one(*target.model, pool), two(*draft.model, pool);
  SpeculativeStats stats;
  generate_speculative_ids(one, two, {kPrompt, read_by_draft}, {.max_tokens = 60}, speculative,
                           stats);
  return stats;
}

// A model that drafts for itself is right where it reads the same, and only there.
TEST(Speculative, EachModelReadsItsOwnPrompt) {
  const Loaded target(shape(3, 50), 1);
  const SpeculativeStats same = stats_of(target, target, kPrompt, {16, 0});
  EXPECT_EQ(same.accepted, same.drafted);
  const SpeculativeStats other = stats_of(target, target, kOther, {16, 0});
  EXPECT_LT(other.accepted, other.drafted);
}

TEST(Speculative, DraftsMoreWhileAllIsKeptAndLessWhereNot) {
  const Loaded target(shape(3, 50), 1), draft(shape(1, 50), 2);
  // 8 + 1, 12 + 1, 16 + 1, 16 + 1 tokens, and what is left.
  EXPECT_EQ(stats_of(target, target, kPrompt, {16, 0}).passes, 5);
  const SpeculativeStats bad = stats_of(target, draft, kPrompt, {16, 0});
  EXPECT_LT(bad.accepted, 10);
  EXPECT_LT(bad.drafted, 3 * bad.passes);
}

TEST(Speculative, AnUnsureDraftIsCheckedAtOnce) {
  const Loaded target(shape(3, 50), 1);
  const SpeculativeStats stats = stats_of(target, target, kPrompt, {16, 1});
  EXPECT_EQ(stats.passes, 30);  // a drafted token and the target's next each time
  EXPECT_EQ(stats.drafted, 30);
}

// Two samples of one distribution: chi squared of at most 35 degrees of freedom is under 66.6 with
// p = .999.
double chi_squared(std::map<std::vector<TokenId>, double> a,
                   const std::map<std::vector<TokenId>, double>& b) {
  double chi = 0;
  for (const auto& [ids, count] : b) a.try_emplace(ids, 0);
  for (const auto& [ids, count] : a) {
    const auto found = b.find(ids);
    const double other = found == b.end() ? 0 : found->second;
    chi += (count - other) * (count - other) / (count + other);
  }
  return chi;
}

TEST(Speculative, SamplesTheTargetsDistribution) {
  const Loaded target(shape(2, 6), 3), draft(shape(1, 6), 4);
  ThreadPool pool(1);
  Decoder plain(*target.model, pool), one(*target.model, pool), two(*draft.model, pool);
  const int n = 4000;
  GenerateOptions options;
  options.sampling = {.temperature = 0.8, .top_k = 5, .seed = 7};
  std::map<std::vector<TokenId>, double> expected;
  for (int i = 0; i < n; ++i) {
    options.max_tokens = 2;
    options.sampling.stream = static_cast<std::uint64_t>(i);
    plain.truncate(0, 0);
    expected[generate_ids(plain, kPrompt, options).ids] += 1;
  }
  for (const SpeculativeOptions& speculative :
       {SpeculativeOptions{6, 0}, SpeculativeOptions{6, 0.2}}) {
    std::map<std::vector<TokenId>, double> found;
    SpeculativeStats stats;
    for (int i = 0; i < n; ++i) {
      options.max_tokens = 4;  // two more, so that drafts of several are checked
      options.sampling.stream = static_cast<std::uint64_t>(i);
      one.truncate(0, 0), two.truncate(0, 0);
      auto ids =
          generate_speculative_ids(one, two, {kPrompt, kOther}, options, speculative, stats).ids;
      ids.resize(2);
      found[ids] += 1;
    }
    EXPECT_GT(stats.accepted, n / 20);
    EXPECT_LT(stats.accepted, stats.drafted);
    EXPECT_LT(chi_squared(found, expected), 66.6) << speculative.sure;
  }
}

TEST(Speculative, RefusesWhatCannotBe) {
  const Loaded target(shape(1, 50), 5);
  ThreadPool pool(1);
  Decoder one(*target.model, pool), two(*target.model, pool);
  SpeculativeStats stats;
  GenerateOptions options;
  EXPECT_THROW(generate_speculative_ids(one, two, {kPrompt, kPrompt}, options, {.most = 0}, stats),
               Error);
  EXPECT_THROW(generate_speculative_ids(one, two, {{}, kPrompt}, options, {}, stats), Error);
  EXPECT_THROW(generate_speculative_ids(one, two, {kPrompt, {}}, options, {}, stats), Error);
  EXPECT_THROW(generate_speculative_ids(one, two, {kPrompt, kPrompt}, options, {.sure = 2}, stats),
               Error);
  options.stop = {"x"};
  EXPECT_THROW(generate_speculative_ids(one, two, {kPrompt, kPrompt}, options, {}, stats), Error);
}

}  // namespace
}  // namespace limbeck
