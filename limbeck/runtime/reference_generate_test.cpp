// Generation over a real model and tokenizer: stop texts, grammars, batches, scores.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/runtime/generate.h"

namespace limbeck {
namespace {

std::filesystem::path model_folder() {
  const char* named = std::getenv("LIMBECK_TEST_DATA");
  const auto data = named ? std::filesystem::path(named)
                          : std::filesystem::path(LIMBECK_SOURCE_DIR) / "../shared/data";
  return data / "models/TinyStories-656K";
}

class Stories : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(model_folder())) GTEST_SKIP() << model_folder() << " is not here";
    checkpoint_.emplace(Checkpoint::open(model_folder()));
    model_.emplace(*checkpoint_);
    decoder_.emplace(*model_, pool_);
  }
  Generated run(const std::string& prompt, const GenerateOptions& options,
                const std::function<bool(std::string_view)>& on_text = {}) {
    decoder_->truncate(0, 0);
    return generate(*decoder_, checkpoint_->tokenizer(), checkpoint_->tokenizer().encode(prompt),
                    options, on_text);
  }

  ThreadPool pool_{2};
  std::optional<Checkpoint> checkpoint_;
  std::optional<Model> model_;
  std::optional<Decoder> decoder_;
};

TEST_F(Stories, StreamedPiecesAreTheText) {
  std::string streamed;
  const Generated g = run("Once upon a time", {.max_tokens = 40}, [&](std::string_view piece) {
    streamed += piece;
    return true;
  });
  EXPECT_EQ(streamed, g.text);
  EXPECT_EQ(g.ids.size(), 40u);
  EXPECT_EQ(g.logprobs.size(), 40u);
  EXPECT_EQ(g.finish, Generated::Finish::length);
  for (const float logprob : g.logprobs) EXPECT_LE(logprob, 0);
}

TEST_F(Stories, StopTextEndsBeforeIt) {
  const Generated whole = run("Once upon a time", {.max_tokens = 40});
  const std::string stop = "small house";
  const auto at = whole.text.find(stop);
  ASSERT_NE(at, std::string::npos) << whole.text;
  std::string streamed;
  const Generated g = run("Once upon a time", {.max_tokens = 40, .stop = {"no such text", stop}},
                          [&](std::string_view piece) { return streamed += piece, true; });
  EXPECT_EQ(g.text, whole.text.substr(0, at));
  EXPECT_EQ(streamed, g.text);
  EXPECT_EQ(g.finish, Generated::Finish::stop);
}

TEST_F(Stories, ACallerCanStop) {
  const Generated g = run("Once upon a time", {.max_tokens = 40}, [](auto) { return false; });
  EXPECT_EQ(g.ids.size(), 1u);
}

TEST_F(Stories, TopLogprobsFallAndHoldTheGreedyToken) {
  const Generated g = run("Once upon a time", {.max_tokens = 5, .top_logprobs = 3});
  ASSERT_EQ(g.top.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) {
    ASSERT_EQ(g.top[i].size(), 3u);
    EXPECT_EQ(g.top[i][0].id, g.ids[i]);
    EXPECT_EQ(g.top[i][0].logprob, g.logprobs[i]);
    EXPECT_GE(g.top[i][1].logprob, g.top[i][2].logprob);
  }
}

TEST_F(Stories, ChoicesAndSchemasHold) {
  const std::vector<std::string> labels = {"cat", "dog", "a small bird"};
  const Grammar choices = Grammar::from_choices(labels);
  for (const double temperature : {0.0, 2.0}) {
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      const Generated g = run("Lily saw", {.sampling = {.temperature = temperature, .seed = seed},
                                           .grammar = &choices});
      EXPECT_NE(std::ranges::find(labels, g.text), labels.end()) << g.text;
      EXPECT_EQ(g.finish, Generated::Finish::grammar_end);
    }
  }
  const Grammar braces = Grammar::from_choices(std::vector<std::string>{"{}"});
  EXPECT_THROW(run("Lily saw", {.grammar = &braces}), Error);  // its vocabulary has no brace
}

TEST_F(Stories, SchemasHold) {
  // This one's vocabulary falls back to bytes: any text can be written with it.
  const auto path = model_folder().parent_path() / "stories260K/stories260Ktok512.gguf";
  const Checkpoint checkpoint = Checkpoint::open(path);
  const Model model(checkpoint);
  Decoder decoder(model, pool_);
  const Grammar schema = Grammar::from_json_schema(
      Json::parse(R"({"type": "object", "required": ["n", "ok"], "additionalProperties": false,
                      "properties": {"n": {"enum": [1, 22]}, "ok": {"type": "boolean"}}})"));
  int complete = 0;  // the grammar allows more white space than this context holds
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    decoder.truncate(0, 0);
    const Generated g = generate(
        decoder, checkpoint.tokenizer(), checkpoint.tokenizer().encode("Lily saw"),
        {.max_tokens = 100, .sampling = {.temperature = 1, .seed = seed}, .grammar = &schema});
    if (g.finish == Generated::Finish::length) continue;
    ++complete;
    const Json value = Json::parse(g.text);
    EXPECT_TRUE(value["ok"].is_boolean()) << g.text;
    EXPECT_TRUE(value["n"] == 1 || value["n"] == 22) << g.text;
  }
  EXPECT_GT(complete, 0);
}

TEST_F(Stories, ManyAtOnceAreOneByOne) {
  const std::vector<std::string> texts = {"Once upon a time there was a dog", "Once upon a time",
                                          "Once upon a hill", "Once upon a time, Tim"};
  std::vector<std::vector<TokenId>> prompts;
  for (int i = 0; i < 40; ++i) {  // more than are run together
    prompts.push_back(checkpoint_->tokenizer().encode(texts[static_cast<std::size_t>(i) % 4]));
  }
  for (const double temperature : {0.0, 1.0}) {
    const GenerateOptions options{.max_tokens = 12,
                                  .sampling = {.temperature = temperature, .seed = 5}};
    std::vector<std::size_t> seen;
    const auto all = generate_all(*model_, checkpoint_->tokenizer(), pool_, prompts, options,
                                  [&](std::size_t done) { seen.push_back(done); });
    ASSERT_EQ(all.size(), prompts.size());
    EXPECT_EQ(seen.back(), prompts.size());
    EXPECT_TRUE(std::ranges::is_sorted(seen));
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      GenerateOptions own = options;
      own.sampling.stream = i;
      decoder_->truncate(0, 0);
      const Generated one = generate(*decoder_, checkpoint_->tokenizer(), prompts[i], own);
      EXPECT_EQ(all[i].ids, one.ids) << i;
      EXPECT_EQ(all[i].text, one.text);
      EXPECT_EQ(all[i].logprobs, one.logprobs);
      EXPECT_EQ(all[i].finish, one.finish);
    }
  }
}

TEST_F(Stories, EndsWhereTheContextDoes) {
  Decoder small(*model_, pool_, {.context = 10});
  const auto prompt = checkpoint_->tokenizer().encode("Once upon a time");
  const Generated g = generate(small, checkpoint_->tokenizer(), prompt, {.max_tokens = 100});
  EXPECT_EQ(g.finish, Generated::Finish::length);
  EXPECT_EQ(prompt.size() + g.ids.size(), 11u);  // the last one is not run
  EXPECT_THROW(generate(small, checkpoint_->tokenizer(), {}, {}), Error);
}

TEST_F(Stories, ContinuationsScoreAsGeneratedOnesDo) {
  const auto prompt = checkpoint_->tokenizer().encode("Once upon a time");
  const Generated g = run("Once upon a time", {.max_tokens = 6});
  decoder_->truncate(0, 0);
  auto other = g.ids;
  other[2] = 5;
  const std::vector<std::vector<TokenId>> continuations = {g.ids, other, {}, {g.ids[0]}};
  const auto scores = score_continuations(*decoder_, prompt, continuations);
  double expected = 0;
  for (const float logprob : g.logprobs) expected += logprob;
  EXPECT_NEAR(scores[0].logprob, expected, 1e-5);
  EXPECT_TRUE(scores[0].greedy);
  EXPECT_EQ(scores[0].tokens, 6);
  EXPECT_FALSE(scores[1].greedy);
  EXPECT_LT(scores[1].logprob, scores[0].logprob);
  EXPECT_EQ(scores[2].tokens, 0);
  EXPECT_EQ(scores[3].logprob, double{g.logprobs[0]});
  EXPECT_EQ(decoder_->length(), 0);
}

}  // namespace
}  // namespace limbeck
