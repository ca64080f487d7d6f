// Bad tokenizer files: each is refused with the right kind of error, whose message names the thing.
#include <gtest/gtest.h>

#include <functional>

#include "limbeck/base/error.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck {
namespace {

Json good() {
  return {{"added_tokens", Json::array({{{"id", 3}, {"content", "<s>"}, {"special", true}}})},
          {"normalizer", nullptr},
          {"pre_tokenizer", nullptr},
          {"post_processor", nullptr},
          {"decoder", nullptr},
          {"model",
           {{"type", "BPE"},
            {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}}},
            {"merges", Json::array({"a b"})}}}};
}

struct Bad {
  std::string name;
  std::function<void(Json&)> spoil;
  ErrorKind kind;
  std::string says;  // part of the message
};

const ErrorKind kFormat = ErrorKind::format, kUnsupported = ErrorKind::unsupported;

Json step(const char* type) { return {{"type", type}}; }
Json split(const char* pattern) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}};
}
Json frame(const Json& single, const Json& tokens) {
  return {{"type", "TemplateProcessing"}, {"single", single}, {"special_tokens", tokens}};
}

std::vector<Bad> bad_files() {
  const Json text = {{"Sequence", {{"id", "A"}}}};
  const Json begin = {{"SpecialToken", {{"id", "<s>"}}}};
  return {
      {"no_model", [](Json& j) { j.erase("model"); }, kFormat, "model"},
      {"model_type", [](Json& j) { j["model"]["type"] = "Magic"; }, kUnsupported, "Magic"},
      {"no_vocab", [](Json& j) { j["model"].erase("vocab"); }, kFormat, "vocab"},
      {"vocab_list", [](Json& j) { j["model"]["vocab"] = Json::array(); }, kFormat, "vocab"},
      {"negative_id", [](Json& j) { j["model"]["vocab"]["a"] = -1; }, kFormat, "-1"},
      {"huge_id", [](Json& j) { j["model"]["vocab"]["a"] = 1u << 30; }, kFormat, "1073741824"},
      {"fraction_id", [](Json& j) { j["model"]["vocab"]["a"] = 0.5; }, kFormat, "0.5"},
      {"text_id", [](Json& j) { j["model"]["vocab"]["a"] = "0"; }, kFormat, "\"0\""},
      {"same_id", [](Json& j) { j["model"]["vocab"]["b"] = 0; }, kFormat, "same id 0"},
      {"long_piece", [](Json& j) { j["model"]["vocab"][std::string(5000, 'x')] = 9; }, kFormat,
       "5000"},
      {"merge_of_three", [](Json& j) { j["model"]["merges"] = Json::array({"a b c"}); }, kFormat,
       "a b c"},
      {"merge_unknown", [](Json& j) { j["model"]["merges"] = Json::array({"a z"}); }, kFormat,
       "a z"},
      {"merge_result", [](Json& j) { j["model"]["merges"] = Json::array({"b a"}); }, kFormat,
       "b a"},
      {"merge_number", [](Json& j) { j["model"]["merges"] = Json::array({7}); }, kFormat, "7"},
      {"merges_text", [](Json& j) { j["model"]["merges"] = "a b"; }, kFormat, "merges"},
      {"dropout", [](Json& j) { j["model"]["dropout"] = 0.1; }, kUnsupported, "dropout"},
      {"added_object", [](Json& j) { j["added_tokens"] = Json::object(); }, kFormat,
       "added_tokens"},
      {"added_no_id", [](Json& j) { j["added_tokens"][0].erase("id"); }, kFormat, "id"},
      {"added_taken", [](Json& j) { j["added_tokens"][0]["id"] = 1; }, kFormat, "taken"},
      {"added_far", [](Json& j) { j["added_tokens"][0]["id"] = 1 << 21; }, kFormat, "2097152"},
      {"normalizer", [](Json& j) { j["normalizer"] = step("Odd"); }, kUnsupported, "Odd"},
      {"normalizer_list", [](Json& j) { j["normalizer"] = Json::array(); }, kFormat, "normalizer"},
      {"no_type", [](Json& j) { j["normalizer"] = Json::object(); }, kFormat, "type"},
      {"sequence", [](Json& j) { j["normalizer"] = step("Sequence"); }, kFormat, "normalizers"},
      {"charsmap",
       [](Json& j) {
         j["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "AAAA"}};
       },
       kFormat, "charsmap"},
      {"charsmap_size",
       [](Json& j) {
         j["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "////fw=="}};
       },
       kFormat, "charsmap"},
      {"charsmap_text",
       [](Json& j) {
         j["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "?"}};
       },
       kFormat, "base64"},
      {"scripts", [](Json& j) { j["pre_tokenizer"] = step("UnicodeScripts"); }, kUnsupported,
       "UnicodeScripts"},
      {"behavior",
       [](Json& j) {
         j["pre_tokenizer"] = split("a");
         j["pre_tokenizer"]["behavior"] = "Odd";
       },
       kFormat, "Odd"},
      {"pattern", [](Json& j) { j["pre_tokenizer"] = split("(a"); }, kFormat, "(a"},
      {"pattern_class", [](Json& j) { j["pre_tokenizer"] = split("[a"); }, kFormat, "class"},
      {"pattern_range", [](Json& j) { j["pre_tokenizer"] = split("[z-a]"); }, kFormat, "backwards"},
      {"pattern_repeat", [](Json& j) { j["pre_tokenizer"] = split("+"); }, kFormat, "repeat"},
      {"pattern_property", [](Json& j) { j["pre_tokenizer"] = split("\\p{Klingon}"); }, kFormat,
       "Klingon"},
      {"pattern_absent", [](Json& j) { j["pre_tokenizer"] = split("(?~a)"); }, kUnsupported,
       "(?~a)"},
      {"pattern_verb", [](Json& j) { j["pre_tokenizer"] = split("(*COMMIT)a"); }, kUnsupported,
       "(*"},
      {"pattern_deep",
       [](Json& j) {
         j["pre_tokenizer"] = split((std::string(90, '(') + std::string(90, ')')).c_str());
       },
       kFormat, "deep"},
      {"pattern_long", [](Json& j) { j["pre_tokenizer"] = split(std::string(9000, 'a').c_str()); },
       kFormat, "9000"},
      {"scheme",
       [](Json& j) {
         j["pre_tokenizer"] = {{"type", "Metaspace"}, {"prepend_scheme", "odd"}};
       },
       kFormat, "odd"},
      {"post", [](Json& j) { j["post_processor"] = step("Odd"); }, kUnsupported, "Odd"},
      {"post_two_texts",
       [=](Json& j) {
         j["post_processor"] = frame(Json::array({text, text}), Json::object());
       },
       kUnsupported, "2 texts"},
      {"post_unlisted",
       [=](Json& j) {
         j["post_processor"] = frame(Json::array({begin, text}), Json::object());
       },
       kFormat, "<s>"},
      {"post_id",
       [=](Json& j) {
         j["post_processor"] =
             frame(Json::array({begin, text}), {{"<s>", {{"ids", Json::array({99})}}}});
       },
       kFormat, "99"},
      {"decoder", [](Json& j) { j["decoder"] = step("CTC"); }, kUnsupported, "CTC"},
      {"decoder_strip",
       [](Json& j) {
         j["decoder"] = {{"type", "Strip"}, {"start", -1}};
       },
       kFormat, "start"},
      {"unigram_entry",
       [](Json& j) {
         j["model"] = {{"type", "Unigram"}, {"vocab", Json::array({"a"})}};
       },
       kFormat, "vocab[0]"},
      {"unigram_unk",
       [](Json& j) {
         j["model"] = {{"type", "Unigram"},
                       {"unk_id", 5},
                       {"vocab", Json::array({Json::array({"a", -1.0})})}};
       },
       kFormat, "unk_id"},
      {"unigram_empty",
       [](Json& j) {
         j["model"] = {{"type", "Unigram"}, {"vocab", Json::array()}};
       },
       kFormat, "vocab"},
  };
}

class BadTokenizers : public testing::TestWithParam<Bad> {};

TEST_P(BadTokenizers, AreRefused) {
  Json json = good();
  GetParam().spoil(json);
  try {
    Tokenizer::from_json(to_text(json), "", "bad.json");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), GetParam().kind) << error.what();
    EXPECT_NE(std::string(error.what()).find(GetParam().says), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("bad.json"), std::string::npos) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Each, BadTokenizers, testing::ValuesIn(bad_files()),
                         [](const auto& bad) { return bad.param.name; });

TEST(HostileTokenizers, TheGoodOneIsAccepted) {
  const Tokenizer tokenizer = Tokenizer::from_json(to_text(good()), "", "good.json");
  EXPECT_EQ(tokenizer.encode("aab"), (std::vector<TokenId>{0, 2}));
}

// An exponential pattern stops at the match limit, as an error.
TEST(HostileTokenizers, NestedQuantifiersEndInTime) {
  Json json = good();
  json["pre_tokenizer"] = split("(a|a|a)*(a|a)*(aa|a)*z");
  const Tokenizer tokenizer = Tokenizer::from_json(to_text(json), "", "bomb.json");
  EXPECT_THROW(tokenizer.encode(std::string(200, 'a') + " z"), Error);
}

}  // namespace
}  // namespace limbeck
