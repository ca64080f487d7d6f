#include "limbeck/base/json.h"

#include <gtest/gtest.h>

#include <string>

#include "limbeck/base/error.h"
#include "limbeck/base/patience_test.h"

namespace limbeck {
namespace {

std::string refusal(std::string_view text, const JsonLimits& limits = {}) {
  try {
    parse_json(text, "f.json", limits);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return error.what();
  }
  return "accepted";
}

TEST(Json, KeepsValuesAndTheOrderOfKeys) {
  const std::string text =
      R"({"z":1,"a":[true,null,-2,18446744073709551615,2.5,"\u00e9\n"],"m":{"":{}},"e":[]})";
  EXPECT_EQ(to_text(parse_json(text, "t")),
            R"({"z":1,"a":[true,null,-2,18446744073709551615,2.5,"é\n"],"m":{"":{}},"e":[]})");
  EXPECT_EQ(parse_json(" 7 ", "t"), Json(7));
  EXPECT_EQ(parse_json("\"x\"", "t"), Json("x"));
}

TEST(Json, NamesLineAndColumn) {
  EXPECT_EQ(refusal("{\n  \"a\": 1,\n  \"a\": 2}").substr(0, 11), "f.json:3:6:")
      << refusal("{\n  \"a\": 1,\n  \"a\": 2}");
  EXPECT_NE(refusal("{\"a\": nul}").find("f.json:1:"), std::string::npos);
  EXPECT_EQ(refusal("{\"a\": nul}").find("json.exception"), std::string::npos);
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text : {"", " ", "{", "[1,]", "{\"a\":1,}", "nan", "1e999", "[1] 2", "'a'",
                           "{\"a\" 1}", "\"\xff\"", "\"\xed\xa0\x80\"", "\"\\ud800\"", "01", "+1",
                           "{\"a\":1,\"a\":1}", "// x\n1", "\"a\nb\""}) {
    EXPECT_NE(refusal(text), "accepted") << text;
  }
}

TEST(Json, Limits) {
  const std::string deep = std::string(64, '[') + std::string(64, ']');
  EXPECT_EQ(refusal(deep), "accepted");
  EXPECT_NE(refusal("[" + deep + "]").find("nested deeper than 64"), std::string::npos);
  EXPECT_NE(refusal(std::string(1u << 20, '[')), "accepted");
  EXPECT_NE(refusal("[1, 2]", {.bytes = 5}), "accepted");
  EXPECT_EQ(parse_json(R"({"a":1,"b":2,"a":3})", "t", {.duplicate_keys = true}).dump(),
            R"({"a":3,"b":2})");
}

// The object type's own insertion is linear in its size: 200,000 keys would take minutes.
TEST(Json, ManyKeysAreNotQuadratic) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i)
    text += "\"key" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  const ProcessTime time;
  EXPECT_EQ(parse_json(text + "\"last\":0}", "t").size(), 200'001u);
  EXPECT_NE(refusal(text + "\"key77777\":0}").find("duplicate key"), std::string::npos);
  EXPECT_LT(time.seconds(), 2 * kPatience);
}

TEST(Json, ToTextNeverThrows) { EXPECT_EQ(to_text(Json("a\xff")), "\"a\xef\xbf\xbd\""); }

}  // namespace
}  // namespace limbeck
