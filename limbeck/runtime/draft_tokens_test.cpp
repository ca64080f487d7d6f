// A draft that knows a part of its target's tokens.
#include "limbeck/runtime/draft_tokens.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <string>

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

TEST(DraftTokens, GreedyAnswersStayTheTargets) {
  const Tokenizer whole = trained(300), part = part_of(whole);
  const DraftTokens tokens(whole, part);
  const auto folder = std::filesystem::temp_directory_path() /
                      ("limbeck-draft-tokens-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const auto write = [&](const char* name, std::int64_t vocab, std::uint64_t seed) {
    Architecture a = known_shape("smollm2-135m");
    a.vocab_size = vocab, a.context_length = 96, a.hidden = 64, a.layers = 1, a.heads = 2;
    a.kv_heads = 1, a.head_dim = 32, a.rope_dim = 32, a.ffn = 128;
    a.attention_scale = 1 / std::sqrt(32.0);
    write_random_model(folder / name, a, TensorType::f32, seed);
    return Checkpoint::open(folder / name);
  };
  const Checkpoint target = write("target.gguf", whole.vocab_size(), 1);
  const Checkpoint draft = write("draft.gguf", part.vocab_size(), 2);
  const Model large(target), small(draft);
  ThreadPool pool(1);
  const std::vector<TokenId> prompt = whole.encode("the dog sat on", false);
  const GenerateOptions options{.max_tokens = 40};
  Decoder plain(large, pool), one(large, pool), two(small, pool);
  SpeculativeStats stats;
  const Generated expected = generate(plain, whole, prompt, options);
  const Generated found = generate_speculative(one, two, whole, tokens, prompt, options, 4, stats);
  EXPECT_EQ(found.ids, expected.ids);
  EXPECT_EQ(found.text, expected.text);
  EXPECT_GT(stats.drafted, 0);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace limbeck
