// A draft that knows a part of its target's tokens.
#include "limbeck/runtime/draft_tokens.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/model/trim_vocabulary.h"
#include "limbeck/runtime/random_model.h"
#include "limbeck/runtime/speculative.h"
#include "limbeck/text/bpe_trainer.h"

namespace limbeck {
namespace {

Tokenizer trained(int vocab_size) {
  BpeTrainOptions options;
  options.vocab_size = vocab_size;
  const TrainedTokenizer trained = train_bpe(
      [](const auto& take) {
        for (const char* text :
             {"the cat sat on the mat", "the dog sat on the log", "a cat, a dog"})
          take(text);
      },
      options);
  return Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json, "test");
}

Tokenizer part_of(const Tokenizer& whole) {
  return trim_tokenizer(whole, whole.encode("the cat", false)).tokenizer;
}

std::string bytes_of(const Tokenizer& tokenizer, std::span<const TokenId> ids) {
  std::string bytes;
  for (const TokenId id : ids) bytes += tokenizer.token_bytes(id);
  return bytes;
}

TEST(DraftTokens, APartOfTheVocabularySpellsTheRest) {
  const Tokenizer whole = trained(300), part = part_of(whole);
  ASSERT_LT(part.vocab_size(), whole.vocab_size());
  const DraftTokens tokens(whole, part);
  for (TokenId id = 0; id < part.vocab_size(); ++id)
    EXPECT_EQ(part.token_bytes(id), whole.token_bytes(tokens.of_target(id)));
  bool spelled = false;
  for (TokenId id = 0; id < whole.vocab_size(); ++id) {
    std::vector<TokenId> ids;
    tokens.append(id, ids);
    EXPECT_EQ(bytes_of(part, ids), whole.token_bytes(id)) << id;
    spelled = spelled || ids.size() > 1;
  }
  EXPECT_TRUE(spelled);
  const std::vector<TokenId> text = whole.encode("the dog sat", false);
  EXPECT_EQ(bytes_of(part, tokens.of_draft(text)), "the dog sat");
}

TEST(DraftTokens, ADraftThatKnowsMoreIsRefused) {
  const Tokenizer whole = trained(300), part = part_of(whole);
  try {
    const DraftTokens tokens(part, whole);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(error.remedy().find("cut from this model"), std::string::npos);
  }
}

// A target and a draft that knows a part of its tokens, of random weights.
class CutVocabulary : public ::testing::Test {
 protected:
  CutVocabulary()
      : folder_(std::filesystem::temp_directory_path() /
                ("limbeck-draft-tokens-" + std::to_string(::getpid()))),
        target_(write("target.gguf", whole_.vocab_size(), 1)),
        draft_(write("draft.gguf", part_.vocab_size(), 2)) {}
  ~CutVocabulary() override { std::filesystem::remove_all(folder_); }

  Checkpoint write(const char* name, std::int64_t vocab, std::uint64_t seed) const {
    std::filesystem::create_directories(folder_);
    Architecture a = known_shape("smollm2-135m");
    a.vocab_size = vocab, a.context_length = 96, a.hidden = 64, a.layers = 1, a.heads = 2;
    a.kv_heads = 1, a.head_dim = 32, a.rope_dim = 32, a.ffn = 128;
    a.attention_scale = 1 / std::sqrt(32.0);
    write_random_model(folder_ / name, a, TensorType::f32, seed);
    return Checkpoint::open(folder_ / name);
  }

  const Tokenizer whole_ = trained(300), part_ = part_of(whole_);
  const DraftTokens tokens_{whole_, part_};
  const std::filesystem::path folder_;
  const Checkpoint target_, draft_;
  const Model large_{target_}, small_{draft_};
  ThreadPool pool_{1};
  const std::vector<TokenId> prompt_ = whole_.encode("the dog sat on", false);
  const std::vector<TokenId> own_ = part_.encode("the cat", false);  // the draft's own form
};

TEST_F(CutVocabulary, GreedyAnswersStayTheTargets) {
  const GenerateOptions options{.max_tokens = 40};
  for (const auto& read : {tokens_.of_draft(prompt_), own_}) {
    Decoder plain(large_, pool_), one(large_, pool_), two(small_, pool_);
    SpeculativeStats stats;
    const Generated expected = generate(plain, whole_, prompt_, options);
    const Generated found = generate_speculative(one, two, whole_, tokens_, {prompt_, read},
                                                 options, {.most = 4, .sure = 0}, stats);
    EXPECT_EQ(found.ids, expected.ids);
    EXPECT_EQ(found.text, expected.text);
    EXPECT_GT(stats.drafted, 0);
  }
}

// By the mask of all tokens (a bias of nothing asks for it), by the likeliest token tried first,
// and with drafts, which are of no grammar.
TEST_F(CutVocabulary, GreedyAnswersOfAGrammarToo) {
  const std::vector<std::string> choices{"the cat sat on the log", "the dog sat on a mat", "a cat"};
  for (const Grammar& grammar : {Grammar::from_choices(choices), Grammar::any_json()}) {
    GenerateOptions options{.max_tokens = 30, .grammar = &grammar};
    Decoder plain(large_, pool_), one(large_, pool_), two(small_, pool_);
    SpeculativeStats stats;
    const Generated first = generate(plain, whole_, prompt_, options);
    const Generated drafted = generate_speculative(one, two, whole_, tokens_, {prompt_, own_},
                                                   options, {.most = 4, .sure = 0}, stats);
    options.logit_bias = {{0, 0.0}};
    plain.truncate(0, 0);
    const Generated masked = generate(plain, whole_, prompt_, options);
    EXPECT_FALSE(masked.ids.empty());
    EXPECT_EQ(first.ids, masked.ids);
    EXPECT_EQ(drafted.ids, masked.ids);
    EXPECT_EQ(drafted.finish, masked.finish);
  }
}

// Of a draft that says little the target would: the first token's probabilities by many answers.
TEST_F(CutVocabulary, SamplesTheTargetsDistribution) {
  Decoder plain(large_, pool_), one(large_, pool_), two(small_, pool_);
  GenerateOptions options{.max_tokens = 3};
  options.sampling = {.temperature = 1, .top_k = 8, .seed = 11};
  const int n = 3000;
  std::map<TokenId, double> expected, found;
  SpeculativeStats stats;
  for (int i = 0; i < n; ++i) {
    options.sampling.stream = static_cast<std::uint64_t>(i);
    plain.truncate(0, 0), one.truncate(0, 0), two.truncate(0, 0);
    expected[generate(plain, whole_, prompt_, options).ids.at(0)] += 1;
    found[generate_speculative(one, two, whole_, tokens_, {prompt_, own_}, options,
                               {.most = 3, .sure = 0}, stats)
              .ids.at(0)] += 1;
  }
  EXPECT_GT(stats.drafted, n);
  double chi = 0;  // two samples; 7 degrees of freedom: under 24.3 with p = .999
  ASSERT_EQ(expected.size(), 8U);
  for (const auto& [id, count] : found) EXPECT_TRUE(expected.contains(id));
  for (const auto& [id, count] : expected) {
    const double other = found.contains(id) ? found.at(id) : 0;
    chi += (count - other) * (count - other) / (count + other);
  }
  EXPECT_LT(chi, 24.3);
}

}  // namespace
}  // namespace limbeck
