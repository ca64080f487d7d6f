#include "limbeck/text/grammar.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "limbeck/base/error.h"
#include "limbeck/base/patience_test.h"
#include "limbeck/text/cpu_time.h"
#include "limbeck/text/schema_validator.h"

namespace limbeck {
namespace {

Json json(std::string_view text) { return parse_json(text, "test"); }

bool accepts(const Grammar& grammar, std::string_view text) {
  GrammarState state(grammar);
  return state.advance(text) && state.can_end();
}
bool accepts(const char* schema, std::string_view text) {
  return accepts(Grammar::from_json_schema(json(schema)), text);
}

// Tokens as a real vocabulary mixes them: all bytes, and pieces across the borders of JSON tokens.
std::vector<std::string> test_tokens() {
  std::vector<std::string> tokens = {""};
  for (int c = 0; c < 256; ++c) tokens.push_back(std::string(1, static_cast<char>(c)));
  for (const char* text :
       {"\",",    "\"}", "\": ", "\": \"", "{\"",   "[\"",     "\"]",    "}, {\"",
        "], \"",  "  ",  "    ", ",\n",    "true",  "false",   "null",   "12",
        "100",    "-1",  "0.5",  ".25",    "e+",    "hello",   " world", "name",
        "\"name", "é",   "日本", "😀",      "\\n",   "\\u00",   "\\\"",   "\\ud83d\\ude00",
        "2024-",  "aa",  "aaaa", "},",     "]}",    "}]",      "[[",     "]]",
        "{}",     "[]",  "\"\"", "red",    "green", "\"red\"", "1e",     "99"})
    tokens.push_back(text);
  return tokens;
}

const TokenMask& test_mask() {
  static const TokenMask mask(test_tokens());
  return mask;
}

// What the mask must be: every token tried.
std::vector<bool> tried(const GrammarState& state, const std::vector<std::string>& tokens) {
  std::vector<bool> allowed(tokens.size(), false);
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    GrammarState next = state;
    allowed[id] = !tokens[id].empty() && next.advance(tokens[id]);
  }
  return allowed;
}

// A text drawn token by token from the mask; leans towards the end as it grows.
std::string random_text(const Grammar& grammar, std::mt19937& random, bool check_masks) {
  const std::vector<std::string> tokens = test_tokens();
  GrammarState state(grammar);
  std::string text;
  std::vector<bool> allowed(tokens.size());
  while (!state.must_end()) {
    if (state.can_end() && random() % 3 == 0) break;
    test_mask().fill(state, allowed);
    if (check_masks) {
      EXPECT_EQ(allowed, tried(state, tokens)) << text;
    }
    std::vector<std::size_t> ids;
    for (std::size_t id = 0; id < tokens.size(); ++id)
      if (allowed[id]) ids.push_back(id);
    if (ids.empty()) {
      EXPECT_TRUE(state.can_end()) << "stuck behind: " << text;
      break;
    }
    if (text.size() > 150) {  // what closes comes first
      std::vector<std::size_t> closing;
      for (const std::size_t id : ids)
        if (std::string("\"]}").find(tokens[id][0]) != std::string::npos && tokens[id].size() == 1)
          closing.push_back(id);
      if (!closing.empty()) ids = closing;
    }
    if (text.size() > 5000) {
      ADD_FAILURE() << "no end: " << text;
      break;
    }
    const std::string& token = tokens[ids[random() % ids.size()]];
    EXPECT_TRUE(state.advance(token));
    text += token;
  }
  return text;
}

const char* const kSchemas[] = {
    R"({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer",
        "minimum": 0, "maximum": 150}, "tags": {"type": "array", "items": {"type": "string"}}},
        "required": ["name"], "additionalProperties": false})",
    R"({"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "boolean"},
        "c": {"type": "number"}}, "required": ["c"]})",
    R"({"type": "object", "properties": {"a": {"type": "integer"}},
        "additionalProperties": {"type": "boolean"}})",
    R"({"type": "object", "required": ["x", "y"]})",
    R"({"enum": ["red", "green", 1, null, true, {"a": [1]}, "gre\"y"]})",
    R"({"const": "fixed é"})",
    R"({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 4})",
    R"({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 1})",
    R"({"type": "array", "prefixItems": [{"type": "null"}], "items": {"type": "boolean"}})",
    R"({"type": "string", "minLength": 2, "maxLength": 5})",
    R"({"type": "string", "minLength": 3})",
    R"({"type": "string", "minLength": 20, "maxLength": 60})",
    R"({"type": "string", "pattern": "^(a+ ?)+$", "minLength": 20, "maxLength": 45})",
    R"({"type": "string", "maxLength": 10000000})",
    R"({"type": "string", "pattern": "^[a-c]+(\\d{2}|-x)?$"})",
    R"({"type": "string", "pattern": "b.\"", "maxLength": 8})",
    R"({"type": "string", "pattern": "^\\s*\\S\\n$"})",
    R"({"type": "string", "format": "date"})",
    R"({"type": "string", "format": "date-time"})",
    R"({"type": "string", "format": "email", "maxLength": 30})",
    R"({"type": "string", "format": "uuid"})",
    R"({"type": "string", "format": "ipv4"})",
    R"({"type": "integer", "minimum": -17, "maximum": 230})",
    R"({"type": "integer", "exclusiveMinimum": 99, "exclusiveMaximum": 102})",
    R"({"type": "integer", "minimum": 1000000007})",
    R"({"type": "integer", "maximum": -5})",
    R"({"type": "number", "minimum": 0, "maximum": 1})",
    R"({"type": "number", "exclusiveMinimum": 0.25, "maximum": 0.3})",
    R"({"type": "number", "minimum": -1.5, "exclusiveMaximum": -0.125})",
    R"({"type": "number"})",
    R"({"anyOf": [{"type": "string", "maxLength": 3}, {"type": "integer"}, {"type": "null"}]})",
    R"({"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}},
        "required": ["kind", "x"]}, {"type": "object", "properties": {"kind": {"const": "b"}},
        "required": ["kind"]}]})",
    R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}], "additionalProperties": false})",
    R"({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
        {"properties": {"a": {"minimum": 5}, "b": {"type": "boolean"}}, "required": ["b"]}]})",
    R"({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"v": {"type":
        "integer"}, "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}}, "required":
        ["v", "next"]}}})",
    R"({"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}})",
    R"({"$defs": {"n": {"type": "number"}}, "$ref": "#/$defs/n", "minimum": 10, "maximum": 20})",
    R"({"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}], "$defs": {"a": {"type": "object",
        "properties": {"x": {"type": "integer"}}, "required": ["x"]}, "b": {"properties": {"y":
        {"type": "string"}}, "required": ["y"]}}})",
    R"({"type": ["string", "null"], "maxLength": 2})",
    R"({"type": "string", "nullable": true, "maxLength": 2})",
    R"({"type": "object", "minProperties": 1, "maxProperties": 2, "additionalProperties":
        {"type": "integer"}})",
    R"({"type": "object", "properties": {"a/b~\"": {"type": "boolean"}}, "required": ["a/b~\""]})",
    R"({"type": "boolean"})",
    R"({"minLength": 1, "maxLength": 1})",
    "true",
};

TEST(Grammar, RandomWalksEndInValidTexts) {
  std::mt19937 random(7);
  for (const char* source : kSchemas) {
    SCOPED_TRACE(source);
    const Json schema = json(source);
    const Grammar grammar = Grammar::from_json_schema(schema);
    for (int round = 0; round < 60; ++round) {
      const std::string text = random_text(grammar, random, round < 2);
      JsonLimits limits;
      limits.depth = 1000;
      limits.duplicate_keys = true;
      Json value;
      ASSERT_NO_THROW(value = parse_json(text, "walk", limits)) << text;
      const auto why = validate_json(schema, value);
      ASSERT_FALSE(why) << text << ": " << *why;
    }
  }
}

TEST(Grammar, TakesWhatSchemasAllow) {
  const char* person = kSchemas[0];
  EXPECT_TRUE(accepts(person, R"({"name": "Ann", "age": 7, "tags": ["a","b"]})"));
  EXPECT_TRUE(accepts(person, R"({"name":"Ann"})"));
  EXPECT_TRUE(accepts(person, "{\n    \"name\": \"\\u00e9\\ud83d\\ude00\",\n    \"tags\": []\n}"));
  EXPECT_FALSE(accepts(person, R"({"age": 7})"));
  EXPECT_FALSE(accepts(person, R"({"name": "Ann", "age": 151})"));
  EXPECT_FALSE(accepts(person, R"({"name": "Ann", "age": 07})"));
  EXPECT_FALSE(accepts(person, R"({"age": 7, "name": "Ann"})"));
  EXPECT_FALSE(accepts(person, R"({"name": "Ann", "other": 1})"));
  EXPECT_FALSE(accepts(person, R"({"name": "Ann",})"));
  EXPECT_FALSE(accepts(person, R"({"name": "\ud83d"})"));
  EXPECT_FALSE(accepts(person, "{\"name\": \"\xc3\"}"));
  EXPECT_FALSE(accepts(person, "{\"name\": \"\n\"}"));
  const char* open = kSchemas[2];
  EXPECT_TRUE(accepts(open, R"({"a": 1, "b": true, "aa": false})"));
  EXPECT_FALSE(accepts(open, R"({"a": 1, "a": true})"));
  EXPECT_FALSE(accepts(open, R"({"a": true})"));
  EXPECT_TRUE(accepts(R"({"type": "number", "minimum": 0.5})", "0.5"));
  EXPECT_TRUE(accepts(R"({"type": "number", "minimum": 0.5})", "123.75"));
  EXPECT_FALSE(accepts(R"({"type": "number", "minimum": 0.5})", "0.49"));
  EXPECT_FALSE(accepts(R"({"type": "number", "exclusiveMinimum": 0.5})", "0.50"));
  EXPECT_TRUE(accepts(R"({"type": "number", "exclusiveMinimum": 0.5})", "0.501"));
}

TEST(Grammar, IntegerBoundsAreExact) {
  for (const auto& [low, high] :
       {std::pair(-12, 12), {0, 0}, {7, 7}, {9, 10}, {-100, -9}, {95, 1003}}) {
    const Grammar grammar =
        Grammar::from_json_schema({{"type", "integer"}, {"minimum", low}, {"maximum", high}});
    for (int i = -1100; i <= 1100; ++i)
      ASSERT_EQ(accepts(grammar, std::to_string(i)), low <= i && i <= high)
          << i << " in " << low << ".." << high;
  }
}

TEST(Grammar, Choices) {
  const std::vector<std::string> labels = {"red", "green", "red wine", "grün"};
  const Grammar grammar = Grammar::from_choices(labels);
  for (const std::string& label : labels) EXPECT_TRUE(accepts(grammar, label));
  EXPECT_FALSE(accepts(grammar, "re"));
  EXPECT_FALSE(accepts(grammar, "reds"));
  GrammarState state(grammar);
  EXPECT_FALSE(state.can_end());
  EXPECT_TRUE(state.advance("red"));
  EXPECT_TRUE(state.can_end());
  EXPECT_FALSE(state.must_end());
  EXPECT_FALSE(state.advance(" beer"));  // all or nothing
  EXPECT_TRUE(state.can_end());
  EXPECT_TRUE(state.advance(" wine"));
  EXPECT_TRUE(state.must_end());
  EXPECT_THROW(Grammar::from_choices({}), Error);
  EXPECT_THROW(Grammar::from_choices(std::vector<std::string>{"a", ""}), Error);
}

TEST(Grammar, Tools) {
  const Json tools = json(R"([{"type": "function", "function": {"name": "weather", "parameters":
      {"type": "object", "properties": {"city": {"$ref": "#/$defs/name"}}, "required": ["city"],
      "$defs": {"name": {"type": "string"}}}}}, {"name": "stop"}])");
  const Grammar one = Grammar::from_tools(tools), many = Grammar::from_tools(tools, true);
  EXPECT_TRUE(accepts(one, R"({"name": "weather", "arguments": {"city": "Paris"}})"));
  EXPECT_TRUE(accepts(one, R"({"name": "stop", "arguments": {}})"));
  EXPECT_FALSE(accepts(one, R"({"name": "stop", "arguments": {"city": "Paris"}})"));
  EXPECT_FALSE(accepts(one, R"({"name": "other", "arguments": {}})"));
  EXPECT_TRUE(accepts(
      many,
      R"([{"name": "stop", "arguments": {}}, {"name": "weather", "arguments": {"city": ""}}])"));
  EXPECT_FALSE(accepts(many, "[]"));
  EXPECT_THROW(Grammar::from_tools(Json::array()), Error);
}

TEST(Grammar, AnyJson) {
  const Grammar grammar = Grammar::any_json();
  for (const char* text :
       {"null", "-1.5e-10", "\"\\/\"", "[]", "[1, {\"a\": [[]]}]", "{\"a\": {}, \"b\": \"c\"}"})
    EXPECT_TRUE(accepts(grammar, text)) << text;
  for (const char* text : {"", "nul", "01", "1.", "[1,]", "{a: 1}", "\"", "[1}", "+1", ".5"})
    EXPECT_FALSE(accepts(grammar, text)) << text;
  EXPECT_FALSE(GrammarState(grammar).advance(std::string(100000, '[')));
}

TEST(Grammar, NamesWhatIsNotSupported) {
  const std::vector<std::string> sources = {
      R"({"properties": {"a": {"not": {"type": "string"}}}})",
      R"({"properties": {"a": {"multipleOf": 3}}})",
      R"({"properties": {"a": {"uniqueItems": true, "items": {}}}})",
      R"j({"properties": {"a": {"pattern": "(?=x)"}}})j",
      R"({"properties": {"a": {"$ref": "https://example.org"}}})"};
  for (const std::string& source : sources) try {
      Grammar::from_json_schema(json(source));
      ADD_FAILURE() << source;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::unsupported);
      const std::string what = error.what();
      EXPECT_TRUE(what.find("/properties/a") != std::string::npos ||
                  what.find("https") != std::string::npos)
          << what;
    }
}

// Whatever stands where a list or a word belongs: an Error or a grammar, no other exception.
TEST(Grammar, MisplacedKeywordsAreRefused) {
  for (const char* source : {R"({"required": 1, "allOf": [{"required": ["a"]}]})",
                             R"({"required": ["a"], "allOf": [{"required": {"b": 1}}]})",
                             R"({"allOf": [{"$ref": "#/a", "allOf": 5}, {"$ref": "#/b"}]})"})
    EXPECT_THROW(Grammar::from_json_schema(json(source)), Error) << source;
  EXPECT_NO_THROW(
      Grammar::from_json_schema(json(R"({"nullable": 1, "allOf": [{"nullable": 2}]})")));
}

// Alternatives that stay possible side by side must not multiply.
TEST(Grammar, AmbiguityStaysSmall) {
  const Grammar grammar = Grammar::from_json_schema(
      json(R"({"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"type": "array", "items":
               {"$ref": "#"}}, {"type": "array", "items": {"$ref": "#"}}]})"));
  GrammarState state(grammar);
  const double start = thread_seconds();
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(state.advance("["));
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(state.advance("]"));
  EXPECT_TRUE(state.must_end());
  EXPECT_LT(thread_seconds() - start, 0.5 * kPatience);
}

// Every official case whose schema compiles: no text of the grammar may be a value that the suite
// calls invalid, and most valid ones should be of the grammar.
TEST(Grammar, AgreesWithTheOfficialSuite) {
  const std::filesystem::path folder = "/usr/share/json-schema-test-suite/tests/draft7";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << "the package json-schema-test-suite is not installed";
  int rightly_refused = 0, rightly_taken = 0, missed = 0, not_compiled = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".json" || entry.path().filename() == "format.json") continue;
    for (const Json& group : read_json_file(entry.path())) {
      const std::string title = group["description"];
      const bool inexact = entry.path().filename() == "oneOf.json" ||  // taken as a union
                           title == "ref overrides any sibling keywords";
      for (const Json& test : group["tests"]) try {
          const Grammar grammar = Grammar::from_json_schema(group["schema"]);
          const bool taken = accepts(grammar, to_text(test["data"]));
          const bool valid = test["valid"];
          if (taken && !valid && !inexact)
            ADD_FAILURE() << entry.path().filename() << ": " << title << ": " << to_text(test);
          rightly_refused += !valid && !taken;
          rightly_taken += valid && taken;
          missed += valid && !taken;
        } catch (const Error&) {
          ++not_compiled;
        }
    }
  }
  RecordProperty("rightly_refused", rightly_refused);
  RecordProperty("rightly_taken", rightly_taken);
  RecordProperty("valid_but_not_written", missed);
  RecordProperty("not_compiled", not_compiled);
  EXPECT_GT(rightly_refused, 80);
  EXPECT_GT(rightly_taken, 80);
}

}  // namespace
}  // namespace limbeck
