// A text stepped through a grammar: what it accepts is valid, and its mask is what single tokens
// say.
#include <array>
#include <string>
#include <vector>

#include "fuzz/target.h"
#include "limbeck/text/grammar.h"
#include "limbeck/text/schema_validator.h"

namespace {

using namespace limbeck;

constexpr std::array kSchemas = {
    R"({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "number", "minimum": -2.5,
        "maximum": 10}, "c": {"$ref": "#"}}, "required": ["a"]})",
    R"({"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"enum": ["x", "xy", null]}, {"type": "object"}]})",
    R"({"type": "string", "pattern": "^(a|é|\\d)+\"?$", "maxLength": 9})",
};

void walk(const Json& schema, const Grammar& grammar, std::string_view text) {
  static const std::vector<std::string> tokens = {"\"", "a", "\",",  "\"}", "{\"", "1", "1.",
                                                  " ",  "x", "xy\"", "]",   "[[",  "é", "\xc3"};
  static const TokenMask mask(tokens);
  GrammarState state(grammar);
  std::vector<bool> allowed(tokens.size());
  for (const char c : text.substr(0, 200)) {
    mask.fill(state, allowed);
    for (std::size_t i = 0; i < tokens.size(); ++i)
      fuzz::require(GrammarState(state).advance(tokens[i]) == allowed[i], "the mask");
    if (!state.advance(static_cast<std::uint8_t>(c))) return;
  }
  if (!state.can_end() || text.size() > 200) return;
  JsonLimits limits;
  limits.duplicate_keys = true;
  limits.depth = 300;
  fuzz::require(!validate_json(schema, parse_json(text, "fuzz", limits)),
                "accepted texts are valid");
}

}  // namespace

// The first byte picks a schema, any JSON, or a choice of texts.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t kind = data[0] % (kSchemas.size() + 2);
  const auto text = fuzz::as_text(data + 1, size - 1);
  return fuzz::value_or_error([&] {
    if (kind < kSchemas.size()) {
      const Json schema = Json::parse(kSchemas[kind]);
      walk(schema, Grammar::from_json_schema(schema), text);
    } else if (kind == kSchemas.size()) {
      walk(true, Grammar::any_json(), text);
    } else {
      static const std::vector<std::string> choices = {"\"x\"", "\"xy\"", "1"};
      walk({{"enum", {"x", "xy", 1}}}, Grammar::from_choices(choices), text);
    }
  });
}
