// A JSON Schema, compiled to a grammar and used to check a few values.
#include "fuzz/target.h"
#include "limbeck/text/grammar.h"
#include "limbeck/text/schema_validator.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  Json schema;
  fuzz::value_or_error([&] { schema = parse_json(fuzz::as_text(data, size), "fuzz"); });
  fuzz::value_or_error(
      [&] { GrammarState(Grammar::from_json_schema(schema)).advance("{\"a\": 1}"); });
  fuzz::value_or_error([&] { GrammarState(Grammar::from_tools(schema, true)).advance("[{"); });
  for (const char* text : {"{\"a\": [1, null]}", "\"abc\"", "12.5"})
    fuzz::value_or_error([&] { validate_json(schema, parse_json(text, "value")); });
  return 0;
}
