#include "limbeck/base/yaml.h"

#include <gtest/gtest.h>

#include <string>

#include "limbeck/base/error.h"
#include "limbeck/base/patience_test.h"

namespace limbeck {
namespace {

std::string refusal(std::string_view text) {
  try {
    parse_yaml(text, "r.yaml");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return "accepted";
}

TEST(Yaml, CoreSchema) {
  EXPECT_EQ(parse_yaml(R"(
name: helpdesk
no: no
on: off
"null": ~
list: [1, -2, +3, 0x1f, 0o17, 1.5, 1e3, .5, 007, 1_000, 12e, "7", 'true', True, null]
big: 18446744073709551615
text: |
  two
  lines
empty:
nested: {a: {b: []}}
)",
                       "t"),
            Json::parse(R"({"name": "helpdesk", "no": "no", "on": "off", "null": null,
    "list": [1, -2, 3, 31, 15, 1.5, 1000.0, 0.5, 7, "1_000", "12e", "7", "true", true, null],
    "big": 18446744073709551615, "text": "two\nlines\n", "empty": null, "nested": {"a": {"b": []}}})"));
  EXPECT_EQ(parse_yaml("", "t"), Json(nullptr));
  EXPECT_EQ(parse_yaml("# only a comment\n", "t"), Json(nullptr));
}

TEST(Yaml, NamesTheLine) {
  EXPECT_EQ(refusal("a: 1\nb: 2\na: 3\n"), "r.yaml:3: duplicate key 'a'");
  EXPECT_EQ(refusal("a: 1\nb: [1\n").substr(0, 7), "r.yaml:");
}

TEST(Yaml, Refuses) {
  for (const char* text : {"a: &x 1\nb: *x", "a: &x [1]", "a: !!binary aGk=", "a: !tag 1",
                           "? [1, 2]\n: 3", "~: 1", "a: .inf", "a: 1e999", "a: 1\n---\nb: 2\n",
                           "a: b: c", "a: \xff", "a: \x01", "- 1\nb: 2", "a: 'x", "\ta: 1"}) {
    EXPECT_NE(refusal(text), "accepted") << text;
  }
  EXPECT_NE(refusal(std::string((1u << 20) + 1, ' ')), "accepted");
}

TEST(Yaml, DepthIsLimited) {
  EXPECT_EQ(refusal(std::string(64, '[') + std::string(64, ']')), "accepted");
  EXPECT_EQ(refusal(std::string(65, '[') + std::string(65, ']')),
            "r.yaml:1: nested deeper than 64 levels");
  EXPECT_NE(refusal(std::string(100'000, '[')), "accepted");
  EXPECT_NE(refusal(std::string(100'000, '{')), "accepted");
}

TEST(Yaml, ManyKeysAreNotQuadratic) {
  std::string text;
  for (int i = 0; text.size() < 1'000'000; ++i) text += fmt::format("k{}: 1\n", i);
  const ProcessTime time;
  EXPECT_GT(parse_yaml(text, "t").size(), 90'000u);
  EXPECT_LT(time.seconds(), 2 * kPatience);
}

TEST(Yaml, WhatIsWrittenReadsBackEqual) {
  const Json json =
      Json::parse(R"({"a": "plain text", "b": "yes: no", "c": "12", "d": "", "e": " x",
    "f": [1, 2.5, true, null, {"g": [], "h": {}}, [[1], ["x # y"]]], "key: odd": "- dash",
    "i": "line\nbreak\t\u0001 \u00e9 \"quoted\" \\", "~": "~", "j": "true", "k": "null", "l": "# x"})");
  EXPECT_EQ(parse_yaml(to_yaml(json), "t"), json) << to_yaml(json);
  for (const Json& scalar : {Json(nullptr), Json(1), Json("x"), Json::array(), Json::object()}) {
    EXPECT_EQ(parse_yaml(to_yaml(scalar), "t"), scalar);
  }
}

}  // namespace
}  // namespace limbeck
