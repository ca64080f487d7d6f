// A trimmed model says the same as the whole one, of the tokens that both know.
#include "limbeck/model/trim_vocabulary.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "limbeck/base/error.h"
#include "limbeck/pipeline/small_model_test.h"
#include "limbeck/runtime/model.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck::pipeline {
namespace {

struct TrimVocabulary : testing::Test {
  TrimVocabulary() { write_small_model(folder / "whole", 3); }
  ~TrimVocabulary() override { std::filesystem::remove_all(folder); }

  // [tokens.size() * vocab]
  std::vector<float> logits(const std::filesystem::path& path, std::span<const TokenId> tokens) {
    const Checkpoint checkpoint = Checkpoint::open(path);
    const Model model(checkpoint);
    Decoder decoder(model, pool, {});
    Batch batch;
    for (const TokenId token : tokens) batch.items.push_back({token, 0, true});
    const auto out = decoder.forward(batch);
    return {out.begin(), out.end()};
  }

  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("limbeck-trim-" + std::to_string(::getpid()));
  ThreadPool pool{1};
};

TEST_F(TrimVocabulary, SameSpellingAndSameLogits) {
  const Tokenizer whole = Tokenizer::open(folder / "whole");
  const std::string text = "item 17 of the list is red, item 3 is not";
  const auto ids = whole.encode(text, false);
  const auto kept = trim_vocabulary(folder / "whole", ids, folder / "trimmed");
  const Tokenizer trimmed = Tokenizer::open(folder / "trimmed");
  ASSERT_LT(trimmed.vocab_size(), whole.vocab_size());
  ASSERT_EQ(kept.size(), static_cast<std::size_t>(trimmed.vocab_size()));

  const auto again = trimmed.encode(text, false);
  ASSERT_EQ(again.size(), ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(kept[static_cast<std::size_t>(again[i])], ids[i]);
    EXPECT_EQ(trimmed.token_bytes(again[i]), whole.token_bytes(ids[i]));
  }
  const auto a = logits(folder / "whole", ids), b = logits(folder / "trimmed", again);
  const auto before = static_cast<std::size_t>(whole.vocab_size());
  for (std::size_t t = 0; t < ids.size(); ++t) {
    for (std::size_t k = 0; k < kept.size(); ++k) {
      ASSERT_EQ(a[t * before + static_cast<std::size_t>(kept[k])], b[t * kept.size() + k]);
    }
  }
  const Json manifest = Checkpoint::open(folder / "trimmed").manifest();
  EXPECT_EQ(manifest["vocabulary"]["tokens"], kept.size());
  EXPECT_EQ(manifest["vocabulary"]["of"], whole.vocab_size());
}

TEST_F(TrimVocabulary, EveryTextIsStillSpelled) {
  const Tokenizer whole = Tokenizer::open(folder / "whole");
  const TrimmedTokenizer trimmed = trim_tokenizer(whole, whole.encode("red", false));
  for (const char* text :
       {"item 44 of the list is green", "\xc3\xa9t\xc3\xa9 \xf0\x9f\x98\x80", "\t\n"}) {
    const auto ids = trimmed.tokenizer.encode(text, false);
    EXPECT_EQ(trimmed.tokenizer.decode(ids), text);
  }
  EXPECT_EQ(trimmed.tokenizer.chat_template(), whole.chat_template());
  EXPECT_EQ(trimmed.tokenizer.token_piece(*trimmed.tokenizer.eos()),
            whole.token_piece(*whole.eos()));
  const std::vector<Json> turn{{{"role", "user"}, {"content", "red"}}};
  const auto prompt = chat_prompt(trimmed.tokenizer, Json(turn));
  const auto full = chat_prompt(whole, Json(turn));
  EXPECT_EQ(trimmed.tokenizer.decode(prompt, false), whole.decode(full, false));
}

TEST_F(TrimVocabulary, TokensOutsideAreRefused) {
  const Tokenizer whole = Tokenizer::open(folder / "whole");
  for (const TokenId bad : {-1, whole.vocab_size()}) {
    EXPECT_THROW(trim_tokenizer(whole, std::vector<TokenId>{bad}), Error);
  }
}

}  // namespace
}  // namespace limbeck::pipeline
