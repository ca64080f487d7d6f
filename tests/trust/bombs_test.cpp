// Small inputs that ask for enormous work: each must end in an error within 500 ms of processor
// time (templates: 250 ms) and 64 MiB. Several kill or hang the engines people use today.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/patience_test.h"
#include "limbeck/base/yaml.h"
#include "limbeck/text/chat_template.h"
#include "limbeck/text/grammar.h"
#include "limbeck/text/pattern.h"
#include "limbeck/text/regex.h"
#include "measured.h"

namespace limbeck {
namespace {

std::string repeated(std::string_view text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

Json json(std::string_view text) { return parse_json(text, "test"); }

using Inputs = std::vector<std::pair<std::string, std::string>>;

class Bombs : public testing::Test {
 protected:
  static void expect_a_soft_end(const std::string& name, double seconds,
                                const std::function<void()>& work) {
    const trust::Measured measured = trust::measure(work);
    EXPECT_FALSE(measured.crashed) << name;
    EXPECT_FALSE(measured.error.empty()) << name << " was accepted";
    EXPECT_LT(measured.seconds, seconds * kPatience) << name;
    EXPECT_LT(measured.megabytes, 64 * kPatience) << name;
    tried_ += 1;
    slowest_ = std::max(slowest_, measured.seconds);
    largest_ = std::max(largest_, measured.megabytes);
  }

  static void TearDownTestSuite() {
    fmt::print("{} bombs: slowest {:.0f} ms, largest {:.0f} MiB\n", tried_, 1000 * slowest_,
               largest_);
  }

 private:
  static inline int tried_ = 0;
  static inline double slowest_ = 0, largest_ = 0;
};

TEST_F(Bombs, Templates) {
  const std::string grow = "{% set n = namespace(s=[1], t='x') %}{% for i in range(40) %}";
  const Inputs bombs = {
      {"recursive macro", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"},
      {"parentheses", "{{ " + repeated("(", 100000) + "1" + repeated(")", 100000) + " }}"},
      {"nested if", repeated("{% if 1 %}", 10000) + repeated("{% endif %}", 10000)},
      {"range", "{% for i in range(1000000000) %}x{% endfor %}"},
      {"loops", "{% for i in range(3000) %}{% for j in range(3000) %}{% endfor %}{% endfor %}"},
      {"string doubled", grow + "{% set n.t = n.t + n.t %}{% endfor %}"},
      {"list doubled", grow + "{% set n.s = n.s + n.s %}{% endfor %}"},
      {"attribute chain", "{{ a" + repeated(".b", 100000) + " }}"},
      {"nots", "{{ " + repeated("not ", 60000) + "1 }}"},
      {"nested list", "{{ " + repeated("[", 50000) + repeated("]", 50000) + " }}"},
      {"repeated string", "{{ 'x' * 10000000000 }}"},
      {"padding", "{{ 'x'.ljust(10000000000) ~ 'x' | center(10000000000) }}"},
      {"source", std::string(300000, 'x')},
      {"sum", "{{ 1" + repeated("+1", 100000) + " }}"},
      {"filters", "{{ 1" + repeated("|string", 30000) + " }}"},
      {"doubling macro",
       "{% macro f(n) %}{% if n > 0 %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) "
       "}}"},
      {"list within list",
       "{% set n = namespace(s=[]) %}{% for i in range(9999) %}{% set n.s = [n.s] %}{% endfor %}"
       "{{ n.s | tojson }}"},
      {"itself", "{% set n = namespace() %}{% set n.a = n %}{{ n }}"},
      {"equality",
       "{% set n = namespace(s=[], t=[]) %}{% for i in range(60) %}{% set n.s = [n.s, n.s] %}"
       "{% set n.t = [n.t, n.t] %}{% endfor %}{{ n.s == n.t }}"},
      {"replace", grow + "{% set n.t = n.t.replace('x', 'xxxx') %}{% endfor %}"},
      {"join", "{{ ('x' * 999999).split('x') | join('y' * 999999) }}"},
      {"format", "{{ '%999999999d' % 1 }}"},
      {"search",
       "{% set s = 'a' * 4000000 %}{% for i in range(99999) %}{% if 'b' in s %}"
       "{% endif %}{% endfor %}"},
  };
  ASSERT_GE(bombs.size(), 12u);
  for (const auto& [name, source] : bombs) {
    expect_a_soft_end(name, 0.25, [&source = source] {
      ChatTemplate::parse(source, "test").render_text(Json::object());
    });
  }
}

Json nested_all_of(int depth) {
  Json schema = {{"$defs", Json::object()}, {"$ref", "#/$defs/a0"}};
  for (int i = 0; i < depth; ++i) {
    const Json next = {{"$ref", "#/$defs/a" + std::to_string(i + 1)}};
    schema["$defs"]["a" + std::to_string(i)] = {
        {"allOf", {next, {{"allOf", {next}}, {"minLength", i}}}}};
  }
  schema["$defs"]["a" + std::to_string(depth)] = {{"type", "string"}};
  return schema;
}

TEST_F(Bombs, Schemas) {
  Json many = Json::array();
  for (int i = 0; i < 10'001; ++i) many.push_back(i);
  Json deep = {{"type", "null"}};
  for (int i = 0; i < 100; ++i) deep = {{"type", "array"}, {"items", deep}};
  const std::vector<std::pair<std::string, Json>> bombs = {
      {"reference to itself", {{"$ref", "#"}}},
      {"references in a ring", json(R"({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"},
                                        "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}})")},
      {"allOf itself", json(R"({"allOf": [{"$ref": "#"}, {"type": "string"}]})")},
      {"allOf doubled", nested_all_of(25)},
      {"never finite",
       json(R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})")},
      {"pattern of parentheses", {{"pattern", std::string(8000, '(')}}},
      {"pattern of nothing", {{"pattern", "^+"}}},
      {"pattern of repeats", {{"pattern", "((((a{999}){999}){999}){999})"}}},
      {"pattern and length", {{"pattern", "^(a|b|c|dd)*$"}, {"minLength", 100'000}}},
      {"huge enum", {{"enum", many}}},
      {"deep", deep},
      {"long strings", json(R"({"type": "string", "minLength": 100000000})")},
      {"many items",
       json(R"({"type": "array", "items": {"type": "null"}, "minItems": 100000000})")},
      {"nested counts", json(R"({"items": {"minItems": 9000, "items": {"minItems": 9000, "items":
                {"minItems": 9000, "items": {"minLength": 9000}}}}})")},
      {"nothing fits", json(R"({"type": "integer", "minimum": 5, "maximum": 4})")},
      {"not a schema", 3},
      {"large", {{"description", std::string(300'000, 'x')}}},
      {"dangling", {{"$ref", "#/$defs/x"}}},
      {"not a type", {{"type", "text"}}},
  };
  ASSERT_GE(bombs.size(), 12u);
  for (const auto& [name, schema] : bombs) {
    expect_a_soft_end(name, 0.5, [&schema = schema] { Grammar::from_json_schema(schema); });
  }
}

TEST_F(Bombs, JsonTexts) {
  std::string keys = "{";
  for (int i = 0; i < 200'000; ++i) keys += fmt::format("\"k{}\":{},", i, i);
  const Inputs bombs = {
      {"arrays", std::string(1'000'000, '[')},
      {"arrays closed", repeated("[", 100'000) + repeated("]", 100'000)},
      {"objects", repeated("{\"a\":", 100'000)},
      {"mixed", repeated("[{\"a\":", 50'000) + "1" + repeated("}]", 50'000)},
      {"key again after 200,000", keys + "\"k0\":1}"},
      {"no end", "\"" + std::string(8'000'000, 'a')},
      {"over the limit", std::string(9'000'000, ' ')},
      {"large number", "1" + std::string(1'000'000, '0')},
      {"exponent", "1e999999999"},
      {"surrogates", "\"" + repeated("\\ud800", 100'000) + "\""},
      {"commas", "[" + std::string(1'000'000, ',') + "]"},
  };
  ASSERT_GE(bombs.size(), 10u);
  for (const auto& [name, text] : bombs) {
    expect_a_soft_end(name, 0.5, [&text = text] { parse_json(text, "test"); });
  }
}

TEST_F(Bombs, YamlTexts) {
  const Inputs bombs = {
      {"lists", std::string(100'000, '[')},
      {"maps", std::string(100'000, '{')},
      {"block lists", repeated("- ", 100'000)},
      {"billion laughs", "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n"},
      {"over the limit", std::string(2'000'000, 'a')},
      {"documents", repeated("---\na: 1\n", 50'000)},
      {"indentation",
       [] {
         std::string text;
         for (int i = 0; i < 1000; ++i)
           text += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
         return text;
       }()},
  };
  ASSERT_GE(bombs.size(), 6u);
  for (const auto& [name, text] : bombs) {
    expect_a_soft_end(name, 0.5, [&text = text] { parse_yaml(text, "test"); });
  }
}

// Of tokenizers: matched by backtracking, which is bounded. The text ends the search without a
// match.
TEST_F(Bombs, TokenizerPatterns) {
  const std::string text = std::string(5000, 'a') + "!";
  const Inputs bombs = {
      {"nested stars", "(a*)*b"},
      {"nested pluses", "(a+)+b"},
      {"alternatives", "(a|a)*b"},
      {"three alternatives", "(a|a|a)*(a|a)*(aa|a)*z"},
      {"optional", repeated("a?", 60) + repeated("a", 60) + "b"},
      {"words", "([a-z]+)*[0-9]"},
      {"lazy", "(a*?)*?b"},
      {"look-ahead", "(?=(a+)+b)a"},
      {"counted", "(a{1,99}){1,99}b"},
      {"back reference", "(a+)+\\1+b"},
      {"parentheses", std::string(8000, '(')},
      {"too long", std::string(9000, 'a')},
  };
  ASSERT_GE(bombs.size(), 10u);
  for (const auto& [name, source] : bombs) {
    expect_a_soft_end(name, 0.5, [&source = source, &text] {
      bool matched = false;
      Regex::compile(source, "test").for_each_match(text, [&](std::size_t, std::size_t) {
        matched = true;
      });
      if (!matched) fail(ErrorKind::format, "no match, in bounded time");
    });
  }
}

// Of JSON Schema: an automaton, no backtracking; what grows is its number of states.
TEST_F(Bombs, SchemaPatterns) {
  const Inputs bombs = {
      {"parentheses", std::string(5000, '(')},
      {"long", std::string(9000, 'a')},
      {"nothing", "^+"},
      {"counts", "((((a{99}){99}){99}){99})"},
      {"count of alternatives", "((a|b|c){999}){999}"},
  };
  for (const auto& [name, source] : bombs) {
    expect_a_soft_end(name, 0.5, [&source = source] { compile_pattern(source, "test"); });
  }
}

}  // namespace
}  // namespace limbeck
