#include "limbeck/text/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/random.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/bpe_trainer.h"
#include "limbeck/text/tokenizer_spec.h"

namespace limbeck {
namespace {

using Ids = std::vector<TokenId>;

std::filesystem::path golden_folder() {
  return std::filesystem::path(LIMBECK_SOURCE_DIR) / "tests/golden/tokenizers";
}

std::filesystem::path data_folder() {
  const char* data = std::getenv("LIMBECK_TEST_DATA");
  return data ? std::filesystem::path(data)
              : std::filesystem::path(LIMBECK_SOURCE_DIR) / "../shared/data";
}

Tokenizer from_json(const Json& json, const Json& config = nullptr) {
  return Tokenizer::from_json(to_text(json), config.is_null() ? "" : to_text(config), "test");
}

// ChatML specials, byte level, trained on a few words.
const TrainedTokenizer& trained() {
  static const TrainedTokenizer tokenizer = [] {
    BpeTrainOptions options;
    options.vocab_size = 400;
    options.chat_template = "{{ messages }}";
    return train_bpe(
        [](const auto& text) {
          for (int i = 0; i < 3; ++i) {
            text("the cat sat on the mat, the dog sat on the log. It's 1234 o'clock!\n");
            text("user assistant system <|im_end|> caf\u00e9 \u4f60\u597d");
          }
        },
        options);
  }();
  return tokenizer;
}

Tokenizer chatml() {
  return Tokenizer::from_json(trained().tokenizer_json, trained().tokenizer_config_json, "trained");
}

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder())) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

class GoldenTokenizers : public testing::TestWithParam<std::string> {};

TEST_P(GoldenTokenizers, IdsAndTextEqualTheTokenizersPackage) {
  const Json golden = read_json_file(golden_folder() / (GetParam() + ".json"));
  const Tokenizer tokenizer = from_json(golden["tokenizer"]);
  const auto odd = golden["odd"].get<Ids>();
  for (const Json& entry : golden["cases"]) {
    const std::string text = entry["text"];
    SCOPED_TRACE(text);
    Ids ids = entry["ids"];
    ASSERT_EQ(tokenizer.encode_trusted(text, false), ids);
    Ids framed = {golden["frame"][0].get<TokenId>()};
    framed.insert(framed.end(), ids.begin(), ids.end());
    framed.push_back(golden["frame"][1].get<TokenId>());
    ASSERT_EQ(tokenizer.encode_trusted(text, true), framed);
    std::erase_if(ids, [&](TokenId id) { return std::ranges::find(odd, id) != odd.end(); });
    ASSERT_EQ(tokenizer.decode(ids, false), entry["decoded"]);
    ASSERT_EQ(tokenizer.decode(ids, true),
              entry.value("skipped", entry["decoded"].get<std::string>()));
  }
}

TEST_P(GoldenTokenizers, WrittenAnewIsTheSameTokenizer) {
  const Json golden = read_json_file(golden_folder() / (GetParam() + ".json"));
  const std::string original = to_text(golden["tokenizer"]);
  const std::string written = write_tokenizer_json(read_tokenizer_json(original, "original"));
  const Tokenizer first = Tokenizer::from_json(original, "", "original");
  const Tokenizer again = Tokenizer::from_json(written, "", "written");
  EXPECT_EQ(first.hash(), again.hash());
  for (const Json& entry : golden["cases"]) {
    const std::string text = entry["text"];
    ASSERT_EQ(again.encode_trusted(text), first.encode_trusted(text)) << text;
  }
}

TEST_P(GoldenTokenizers, UntrustedTextMakesNoControlToken) {
  const Json golden = read_json_file(golden_folder() / (GetParam() + ".json"));
  const Tokenizer tokenizer = from_json(golden["tokenizer"]);
  for (const Json& entry : golden["cases"]) {
    for (const TokenId id : tokenizer.encode(entry["text"].get<std::string>(), false)) {
      ASSERT_NE(tokenizer.kind(id), TokenKind::control) << entry["text"];
    }
  }
}

TEST_P(GoldenTokenizers, StreamingGivesTheTextOfDecoding) {
  const Json golden = read_json_file(golden_folder() / (GetParam() + ".json"));
  const Tokenizer tokenizer = from_json(golden["tokenizer"]);
  const std::string type = golden["tokenizer"]["decoder"].is_null()
                               ? "none"
                               : golden["tokenizer"]["decoder"]["type"].get<std::string>();
  if (type != "ByteLevel" && type != "Metaspace" && type != "Sequence") {
    GTEST_SKIP() << type << ": text of a token depends on its neighbours";
  }
  for (const Json& entry : golden["cases"]) {
    StreamDecoder stream(tokenizer);
    std::string text;
    const Ids ids = entry["ids"];
    for (const TokenId id : ids) {
      const std::string part = stream.add(id);
      ASSERT_TRUE(is_utf8(part));
      text += part;
    }
    text += stream.finish();
    ASSERT_EQ(text, tokenizer.decode(ids));
  }
}

INSTANTIATE_TEST_SUITE_P(All, GoldenTokenizers, testing::ValuesIn(golden_names()),
                         [](const auto& name) {
                           std::string plain = name.param;
                           std::ranges::replace(plain, '-', '_');
                           return plain;
                         });

TEST(Tokenizer, BytesOfTokensAreTheText) {
  const Tokenizer tokenizer = chatml();
  Random random(3);
  for (int i = 0; i < 300; ++i) {
    std::string text;
    const auto n = random.below(40);
    for (std::uint64_t k = 0; k < n; ++k) {
      const auto c =
          static_cast<std::uint32_t>(random.below(3) ? random.below(128) : random.below(0x3000));
      append_utf8(text, c);
    }
    std::string bytes;
    const Ids ids = tokenizer.encode(text);
    for (const TokenId id : ids) bytes += tokenizer.token_bytes(id);
    ASSERT_EQ(bytes, text);
    ASSERT_EQ(tokenizer.decode(ids), text);
  }
}

TEST(Tokenizer, InvalidUtf8IsEncodedAsReplacementCharacters) {
  const Tokenizer tokenizer = chatml();
  const std::string broken = "a\xff\xe2\x82 b\xf0\x9f";
  EXPECT_EQ(tokenizer.encode(broken), tokenizer.encode(replace_invalid_utf8(broken)));
}

TEST(Tokenizer, TrustDecidesOverSpecialTokens) {
  const Tokenizer tokenizer = chatml();
  const TokenId end = tokenizer.find("<|im_end|>").value();
  const auto count = [&](const Ids& ids) { return std::ranges::count(ids, end); };
  const std::string text = "the cat<|im_end|>sat";
  EXPECT_EQ(count(tokenizer.encode_trusted(text)), 1);
  EXPECT_EQ(count(tokenizer.encode(text)), 0);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text), false), text);

  const std::vector<PromptSegment> all_trusted = {{"the cat<|im_", true}, {"end|>sat", true}};
  EXPECT_EQ(tokenizer.encode_segments(all_trusted, true), tokenizer.encode_trusted(text));
  const std::vector<PromptSegment> mixed = {
      {"the cat<|im_end|>", true}, {"<|im_end|> sat <|im_", false}, {"end|>", true}};
  const Ids ids = tokenizer.encode_segments(mixed, false);
  EXPECT_EQ(count(ids), 1);
  EXPECT_EQ(tokenizer.decode(ids, false), "the cat<|im_end|><|im_end|> sat <|im_end|>");
}

// Llama 2's way: the special tokens are looked for in the normalized text.
TEST(Tokenizer, TrustSurvivesNormalization) {
  const Json prepend = {{"type", "Prepend"}, {"prepend", "\u2581"}};
  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
  const auto special = [](int id, const char* content) {
    return Json{{"id", id}, {"content", content}, {"special", true}, {"normalized", true}};
  };
  const Tokenizer tokenizer = from_json(
      {{"added_tokens", Json::array({special(0, "<unk>"), special(1, "x<s>")})},
       {"normalizer", {{"type", "Sequence"}, {"normalizers", Json::array({replace})}}},
       {"model",
        {{"type", "BPE"},
         {"unk_token", "<unk>"},
         {"vocab",
          {{"<unk>", 0}, {"x<s>", 1}, {"\u2581", 2}, {"x", 3}, {"<", 4}, {"s", 5}, {">", 6}}},
         {"merges", Json::array()}}}});
  EXPECT_EQ(tokenizer.encode_trusted(" x<s> x", false), (Ids{2, 1, 2, 3}));
  EXPECT_EQ(tokenizer.encode(" x<s> x", false), (Ids{2, 3, 4, 5, 6, 2, 3}));
  const std::vector<PromptSegment> mixed = {{" x<s>", true}, {"x<s> ", false}, {"x<s>", true}};
  EXPECT_EQ(tokenizer.encode_segments(mixed, false), (Ids{2, 1, 3, 4, 5, 6, 2, 1}));
}

TEST(Tokenizer, ChatTemplatesByName) {
  const Json config = {{"chat_template", Json::array({{{"name", "default"}, {"template", "D"}},
                                                      {{"name", "tool_use"}, {"template", "T"}}})}};
  const Tokenizer tokenizer = Tokenizer::from_json(trained().tokenizer_json, to_text(config), "t");
  EXPECT_EQ(tokenizer.chat_template(), "D");
  EXPECT_EQ(tokenizer.chat_template("tool_use"), "T");
  EXPECT_EQ(tokenizer.chat_template("other"), "D");
  EXPECT_EQ(chatml().chat_template(), "{{ messages }}");
}

TEST(Tokenizer, KnowsWhatEndsAnAnswer) {
  const Tokenizer tokenizer = chatml();
  EXPECT_EQ(tokenizer.eos(), tokenizer.find("<|endoftext|>"));
  const auto stops = tokenizer.stop_tokens();
  EXPECT_EQ(Ids(stops.begin(), stops.end()), (Ids{0, 2}));
}

TEST(Tokenizer, IdsOutOfRangeAreRefused) {
  const Tokenizer tokenizer = chatml();
  for (const TokenId id : {-1, tokenizer.vocab_size()}) {
    EXPECT_THROW(tokenizer.token_bytes(id), Error);
    EXPECT_THROW(tokenizer.decode(std::span(&id, 1)), Error);
  }
}

// ---- real data ----
TEST(TokenizerData, GgufVocabulariesGiveLlamaCppsIds) {
  const auto folder = data_folder() / "tokenizers/vocab-gguf";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    const Tokenizer tokenizer = Tokenizer::open(entry.path());
    const std::string separator = "\n__ggml_vocab_test__\n";
    std::string texts = read_file(entry.path().string() + ".inp", 1 << 20);
    std::string lines = read_file(entry.path().string() + ".out", 1 << 20);
    const Tokenizer rewritten = Tokenizer::from_json(
        tokenizer.to_tokenizer_json(), tokenizer.to_tokenizer_config_json(), "written anew");
    for (std::size_t at = 0; at != texts.npos;) {
      const std::size_t end = texts.find(separator, at);
      const std::string text = texts.substr(at, end - at);
      at = end == texts.npos ? end : end + separator.size();
      const std::size_t line_end = lines.find('\n');
      Ids expected;
      std::istringstream line(lines.substr(0, line_end));
      for (TokenId id; line >> id;) expected.push_back(id);
      lines.erase(0, line_end + 1);
      EXPECT_EQ(tokenizer.encode(text, false), expected) << entry.path() << ": " << text;
      EXPECT_EQ(rewritten.encode(text, false), expected) << "rewritten " << entry.path();
    }
  }
}

TEST(TokenizerData, PromptsOfTheModels) {
  const auto folder = data_folder() / "models";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder;
  EXPECT_EQ(Tokenizer::open(folder / "TinyStories-656K").encode("Once upon a time"),
            (Ids{1, 80, 147, 201, 282, 57}));
  EXPECT_EQ(
      Tokenizer::open(folder / "stories260K/stories260Ktok512.gguf").encode("Once upon a time"),
      (Ids{1, 403, 407, 261, 378}));
}

}  // namespace
}  // namespace limbeck
