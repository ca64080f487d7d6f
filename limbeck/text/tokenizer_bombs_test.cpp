// Small tokenizer files, and texts, that would take minutes or gigabytes: each ends in time, most
// with an error.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "limbeck/base/error.h"
#include "limbeck/base/patience_test.h"
#include "limbeck/text/tokenizer.h"
#include "limbeck/text/unicode.h"

namespace limbeck {
namespace {

std::string repeated(std::string_view text, std::size_t n) {
  std::string all;
  for (std::size_t i = 0; i < n; ++i) all += text;
  return all;
}

Json with(const char* part, Json value) {
  Json json = {{"added_tokens", Json::array({{{"id", 3}, {"content", "<s>"}, {"special", true}}})},
               {"model",
                {{"type", "BPE"},
                 {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}}},
                 {"merges", Json::array({"a b"})}}}};
  json[part] = std::move(value);
  return json;
}

Json in_sequence(const char* list, const Json& step, int times) {
  Json steps = Json::array();
  for (int i = 0; i < times; ++i) steps.push_back(step);
  return {{"type", "Sequence"}, {list, steps}};
}

const Json kDouble = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}};

// What from_json or, where it is accepted, encode says.
std::string refusal(const Json& json, std::string_view text) {
  try {
    Tokenizer::from_json(to_text(json), "", "bomb.json").encode(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return error.what();
  }
  return "accepted";
}

TEST(TokenizerBombs, StepsThatDoubleATextAreStopped) {
  const auto normalizer = with("normalizer", in_sequence("normalizers", kDouble, 60));
  EXPECT_NE(refusal(normalizer, "aaaa").find("bomb.json: normalizer: makes a text longer than"),
            std::string::npos);
  const auto pattern = with("normalizer", in_sequence("normalizers",
                                                      {{"type", "Replace"},
                                                       {"pattern", {{"Regex", "a"}}},
                                                       {"content", repeated("a", 1000)}},
                                                      9));
  EXPECT_NE(refusal(pattern, "aaaa").find("longer than"), std::string::npos);
  const Json bytes = {{"type", "ByteLevel"}, {"use_regex", false}, {"add_prefix_space", false}};
  const auto pre = with("pre_tokenizer", in_sequence("pretokenizers", bytes, 60));
  EXPECT_NE(refusal(pre, "é").find("bomb.json: pre_tokenizer: makes a text longer than"),
            std::string::npos);
}

TEST(TokenizerBombs, DecodersThatDoubleAPieceAreRefused) {
  const auto six = with("decoder", in_sequence("decoders", kDouble, 6));  // 64 times
  EXPECT_EQ(refusal(six, "a"), "accepted");
  const auto seven = with("decoder", in_sequence("decoders", kDouble, 7));
  EXPECT_NE(refusal(seven, "a").find("more than 64 times"), std::string::npos);
}

TEST(TokenizerBombs, ThereIsAnEndOfSteps) {
  const Json none = {{"type", "NFC"}};
  EXPECT_EQ(refusal(with("normalizer", in_sequence("normalizers", none, 256)), "a"), "accepted");
  for (const auto& [part, list, step] :
       {std::tuple{"normalizer", "normalizers", none},
        std::tuple{"pre_tokenizer", "pretokenizers", Json{{"type", "WhitespaceSplit"}}},
        std::tuple{"decoder", "decoders", Json{{"type", "Fuse"}}},
        std::tuple{"post_processor", "processors", Json{{"type", "ByteLevel"}}}}) {
    EXPECT_NE(refusal(with(part, in_sequence(list, step, 257)), "a").find("more than 256 steps"),
              std::string::npos)
        << part;
  }
}

TEST(TokenizerBombs, AMarkForBlanksIsOneCharacter) {
  const Json step = {{"type", "Metaspace"}, {"replacement", "__"}};
  EXPECT_NE(refusal(with("pre_tokenizer", step), "a").find("'__' is not one character"),
            std::string::npos);
}

// Two megabytes of marks, each of which belongs before all of another kind.
TEST(TokenizerBombs, MarksAreOrderedInTime) {
  const ProcessTime time;
  const std::string text = "a" + repeated("\u0301", 500'000) + repeated("\u0323", 500'000);
  const std::string ordered = unicode::normalize(text, unicode::Form::nfc);
  EXPECT_TRUE(ordered.starts_with("\u1ea1\u0323\u0323"));  // a with a dot below comes first
  EXPECT_TRUE(ordered.ends_with("\u0301\u0301"));
  EXPECT_EQ(ordered.size(), 3 + 2 * 999'999u);
  EXPECT_LT(time.seconds(), 2 * kPatience);
}

TEST(TokenizerBombs, LongWordsAreCutInTime) {
  const Json model = {{"type", "WordPiece"},
                      {"unk_token", "?"},
                      {"max_input_chars_per_word", 1 << 20},
                      {"vocab", {{"?", 0}, {"a", 1}, {"##a", 2}, {"##aa", 4}}}};
  const Tokenizer tokenizer = Tokenizer::from_json(to_text(with("model", model)), "", "words.json");
  const ProcessTime time;
  EXPECT_EQ(tokenizer.encode(repeated("a", 200'000)).size(), 1 + 100'000u);
  EXPECT_LT(time.seconds(), kPatience);
}

TEST(TokenizerBombs, BlanksAreTakenInTime) {
  const Json blank = {{"id", 3}, {"content", " "}, {"rstrip", true}, {"normalized", false}};
  const Tokenizer tokenizer =
      Tokenizer::from_json(to_text(with("added_tokens", Json::array({blank}))), "", "blanks.json");
  const ProcessTime time;
  EXPECT_FALSE(tokenizer.encode(repeated(" ", 300'000) + "a").empty());
  EXPECT_LT(time.seconds(), kPatience);
}

TEST(TokenizerBombs, MergesWithManyBlanksAreRefused) {
  const Json model = {{"type", "BPE"},
                      {"vocab", {{"a", 0}}},
                      {"merges", Json::array({repeated("a ", 4000) + "a"})}};
  EXPECT_NE(refusal(with("model", model), "a").find("[left, right]"), std::string::npos);
}

TEST(TokenizerBombs, ManyTokensOfAConfigurationAreReadInTime) {
  std::string members;
  for (int i = 4; i < 100'000; ++i)
    members += fmt::format(R"({}"{}":{{"content":"t{}"}})", i == 4 ? "" : ",", i, i);
  const std::string config = R"({"added_tokens_decoder":{)" + members + "}}";
  const ProcessTime time;
  const Tokenizer tokenizer =
      Tokenizer::from_json(to_text(with("decoder", nullptr)), config, "many.json");
  EXPECT_EQ(tokenizer.vocab_size(), 100'000);
  EXPECT_LT(time.seconds(), 5 * kPatience);
}

TEST(TokenizerBombs, ATokensNumberIsWrittenInOneWay) {
  const std::string config =
      R"({"added_tokens_decoder":{"7":{"content":"x"},"07":{"content":"y"}}})";
  EXPECT_THROW(Tokenizer::from_json(to_text(with("decoder", nullptr)), config, "two.json"), Error);
}

// Fields that are null are fields that are not there, for what writes GGUF files too.
TEST(TokenizerBombs, NullsAreNoSettings) {
  Json json = with("pre_tokenizer", {{"type", "ByteLevel"},
                                     {"add_prefix_space", false},
                                     {"use_regex", nullptr},
                                     {"trim_offsets", nullptr}});
  json["normalizer"] = {{"type", "NFC"}, {"normalizers", 5}};
  const Tokenizer tokenizer = Tokenizer::from_json(to_text(json), "", "nulls.json");
  EXPECT_FALSE(tokenizer.to_gguf().empty());
}

}  // namespace
}  // namespace limbeck
