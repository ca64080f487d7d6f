#include "limbeck/text/bpe_trainer.h"

#include <gtest/gtest.h>

#include "limbeck/base/error.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck {
namespace {

TrainedTokenizer train(const std::vector<std::string>& texts, const BpeTrainOptions& options) {
  return train_bpe(
      [&](const auto& take) {
        for (const std::string& text : texts) take(text);
      },
      options);
}

BpeTrainOptions small(int merges) {
  BpeTrainOptions options;
  options.special_tokens = {"<|endoftext|>"};
  options.vocab_size = 257 + merges;
  return options;
}

Json merges_of(const TrainedTokenizer& trained) {
  return parse_json(trained.tokenizer_json, "trained")["model"]["merges"];
}

// Worked by hand: "aab" 3 times, "ab" 2 times. ab: 5, aa: 3; then (a, ab): 3.
TEST(BpeTrainer, MergesTheMostFrequentPair) {
  EXPECT_EQ(merges_of(train({"aab\naab\naab\nab\nab"}, small(2))), Json::array({"a b", "a ab"}));
}

TEST(BpeTrainer, BreaksTiesByTheLowerPair) {
  EXPECT_EQ(merges_of(train({"yz\nbc\nyz\nbc"}, small(2))), Json::array({"b c", "y z"}));
}

TEST(BpeTrainer, CountsPairsThatOverlapThemselves) {
  // aaaa: (a a) stands three times but merges twice.
  EXPECT_EQ(merges_of(train({"aaaa\naaaa"}, small(5))), Json::array({"a a", "aa aa"}));
}

TEST(BpeTrainer, StopsWhenPairsAreTooRare) {
  EXPECT_EQ(merges_of(train({"abc"}, small(10))), Json::array());
  BpeTrainOptions options = small(10);
  options.min_frequency = 1;
  EXPECT_EQ(merges_of(train({"abc"}, options)), Json::array({"a b", "ab c"}));
}

TEST(BpeTrainer, DigitsStandAlone) {
  BpeTrainOptions options = small(20);
  EXPECT_EQ(merges_of(train({"12 12 12 12"}, options)).size(), 0u);
  options.split_digits = false;
  EXPECT_EQ(merges_of(train({"12 12 12 12"}, options))[0], "1 2");
}

TEST(BpeTrainer, IsDeterministicAndComplete) {
  BpeTrainOptions options;
  options.vocab_size = 300;
  options.bos = "<|endoftext|>";
  options.chat_template = "{{ x }}";
  const std::vector<std::string> texts = {"the cat the mat the hat", "that that than then"};
  const TrainedTokenizer trained = train(texts, options);
  EXPECT_EQ(trained.tokenizer_json, train(texts, options).tokenizer_json);
  const Tokenizer tokenizer =
      Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json, "trained");
  EXPECT_EQ(tokenizer.bos(), 0);
  EXPECT_EQ(tokenizer.pad(), 0);
  EXPECT_EQ(tokenizer.chat_template(), "{{ x }}");
  EXPECT_EQ(tokenizer.encode("the")[0], 0);  // BOS
  EXPECT_EQ(tokenizer.token_piece(tokenizer.encode(" the", false)[0]), "\u0120the");
}

TEST(BpeTrainer, RefusesBadOptions) {
  BpeTrainOptions few = small(0), twice = small(5), plain = small(5), eos = small(5);
  few.vocab_size = 256;
  twice.special_tokens = {"<|a|>", "<|a|>"};
  plain.special_tokens = {"a"};
  eos.eos = "<|other|>";
  for (const auto& options : {few, twice, plain, eos}) EXPECT_THROW(train({}, options), Error);
}

}  // namespace
}  // namespace limbeck
