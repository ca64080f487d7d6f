#include "limbeck/text/schema_validator.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "limbeck/base/error.h"
#include "limbeck/text/format_pattern.h"
#include "limbeck/text/pattern.h"

namespace limbeck {
namespace {

Json json(std::string_view text) { return parse_json(text, "test"); }

TEST(SchemaValidator, SaysWhatIsWrongAndWhere) {
  const Json schema =
      json(R"({"type": "object", "required": ["name"], "additionalProperties": false,
      "properties": {"name": {"type": "string", "minLength": 2}, "tags": {"type": "array",
      "items": {"enum": ["a", "b"]}}, "n": {"type": ["integer", "null"], "minimum": 3}}})");
  EXPECT_FALSE(validate_json(schema, json(R"({"name": "é€", "tags": ["a"], "n": null})")));
  EXPECT_EQ(validate_json(schema, json(R"({"tags": []})")),
            "the value: the property 'name' is missing");
  EXPECT_EQ(validate_json(schema, json(R"({"name": "é"})")), "/name: the text is too short");
  EXPECT_EQ(validate_json(schema, json(R"({"name": "ab", "tags": ["a", "c"]})")),
            "/tags/1: \"c\" is not one of the 2 allowed values");
  EXPECT_EQ(validate_json(schema, json(R"({"name": "ab", "n": 2})")), "/n: 2 breaks minimum 3");
  EXPECT_EQ(validate_json(schema, json(R"({"name": "ab", "n": 3.5})")),
            "/n: expected [\"integer\",\"null\"], found number");
  EXPECT_EQ(validate_json(schema, json(R"({"name": "ab", "x/y": 1})")),
            "/x~1y: the property is not in the schema");
}

TEST(SchemaValidator, RefusesSchemasThatNeverEndOrAreNotKnown) {
  EXPECT_THROW(validate_json(json(R"({"$ref": "#"})"), 1), Error);
  EXPECT_THROW(validate_json(json(R"({"allOf": [{"$ref": "#/allOf/0"}]})"), 1), Error);
  EXPECT_THROW(validate_json(json(R"({"$ref": "https://example.org/x"})"), 1), Error);
  EXPECT_THROW(validate_json(json(R"({"$ref": "#/$defs/missing"})"), 1), Error);
  EXPECT_THROW(validate_json(json(R"({"type": "text"})"), 1), Error);
  EXPECT_THROW(validate_json(json(R"({"unevaluatedProperties": false})"), 1), Error);
  EXPECT_THROW(validate_json(json("3"), 1), Error);
  EXPECT_EQ(validate_json(json(R"({"nullable": 1})"), 1), std::nullopt);
}

// Debian's json-schema-test-suite: the official cases. Groups that need what we refuse are left
// out.
TEST(SchemaValidator, PassesTheOfficialSuite) {
  const std::filesystem::path folder = "/usr/share/json-schema-test-suite/tests/draft7";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << "the package json-schema-test-suite is not installed";
  const std::set<std::string> left_out = {
      "ref overrides any sibling keywords",  // since draft 2019-09 siblings apply
  };
  int checked = 0, refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".json" || entry.path().filename() == "format.json") continue;
    for (const Json& group : read_json_file(entry.path())) {
      const std::string title = group["description"];
      if (left_out.contains(title)) continue;
      for (const Json& test : group["tests"]) {
        SCOPED_TRACE(entry.path().filename().string() + ": " + title + ": " +
                     test["description"].get<std::string>());
        try {
          const auto why = validate_json(group["schema"], test["data"]);
          EXPECT_EQ(!why, test["valid"].get<bool>())
              << why.value_or("") << to_text(group["schema"]);
          ++checked;
        } catch (const Error& error) {
          EXPECT_EQ(error.kind(), ErrorKind::unsupported) << error.what();
          ++refused;
        }
      }
    }
  }
  EXPECT_GT(checked, 350);
  RecordProperty("checked", checked);
  RecordProperty("refused", refused);
  EXPECT_LT(refused, 60);
}

TEST(Pattern, MatchesAsEcmaScriptDoes) {
  struct Row {
    const char *pattern, *text;
    bool matches;
  };
  const Row rows[] = {
      {"^a+$", "aaa", true},
      {"^a+$", "aab", false},
      {"b", "abc", true},
      {"^b", "abc", false},
      {"c$", "abc", true},
      {"b$", "abc", false},
      {"^$", "", true},
      {"^$", "a", false},
      {"", "x", true},
      {"^(a|bc)*$", "abcbca", true},
      {"^(a|bc)*$", "abcb", false},
      {"^[^a-c]$", "d", true},
      {"^[^a-c]$", "b", false},
      {"^\\d{2,3}$", "12", true},
      {"^\\d{2,3}$", "1234", false},
      {"^\\w+@\\w+\\.com$", "a@b.com", true},
      {"^.$", "é", true},
      {"^.$", "\n", false},
      {"^\\u00e9$", "é", true},
      {"^[à-ü]{2}$", "éô", true},
      {"(^a|b$)", "xb", true},
      {"(^a|b$)", "xa", false},
      {"(^a|b$)", "ax", true},
      {"^a??b$", "b", true},
      {"a{2}", "xaax", true},
      {"a{,2}", "a{,2}", true},
      {"^\\ud83d\\ude00$", "😀", true},
      {"^[\\s\\S]*$", "a\nb", true},
      {"^(?:ab)?$", "", true},
      {"^(?<n>a)$", "a", true},
      {"$", "anything", true},
      {"^", "anything", true},
      {"a^b", "ab", false},
      {"^a|b$", "ac", true},
  };
  for (const Row& row : rows)
    EXPECT_EQ(compile_pattern(row.pattern, "test").accepts(row.text), row.matches)
        << row.pattern << " on " << row.text;
}

TEST(Pattern, RefusesWhatIsNotRegularAndBombs) {
  for (const char* bad : {"(", ")", "a)", "[a", "*", "^+", "^*a", "a{2,1}", "\\", "[b-a]", "a**",
                          "(?", "\\x4", "a{1001}", "((((a{99}){99}){99}){99})"})
    EXPECT_THROW(compile_pattern(bad, "test"), Error) << bad;
  EXPECT_THROW(compile_pattern(std::string(5000, '('), "test"), Error);
  EXPECT_THROW(compile_pattern(std::string(9000, 'a'), "test"), Error);
  for (const char* bad : {"(?=a)", "(?!a)", "(?<=a)b", "\\bword", "(a)\\1", "\\p{L}"}) try {
      compile_pattern(bad, "test");
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::unsupported) << bad;
    }
}

TEST(Pattern, KnowsFormats) {
  struct Row {
    const char *format, *text;
    bool matches;
  };
  const Row rows[] = {
      {"date", "2024-02-29", true},
      {"date", "2023-02-29", false},
      {"date", "1900-02-29", false},
      {"date", "2000-02-29", true},
      {"date", "2023-04-31", false},
      {"time", "23:59:59Z", true},
      {"time", "24:00:00Z", false},
      {"date-time", "2023-12-31T00:00:00.5+02:00", true},
      {"email", "a.b@c.org", true},
      {"email", "a@b@c", false},
      {"ipv4", "255.0.10.9", true},
      {"ipv4", "256.0.0.1", false},
      {"uuid", "123e4567-e89b-12d3-a456-426614174000", true},
  };
  for (const Row& row : rows)
    EXPECT_EQ(compile_pattern(format_pattern(row.format), "test").accepts(row.text), row.matches)
        << row.text;
  EXPECT_TRUE(format_pattern("hostname").empty());
}

}  // namespace
}  // namespace limbeck
