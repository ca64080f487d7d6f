// Does a JSON value satisfy a JSON Schema? Draft 2020-12 for the keywords that grammars know, and
// the simple ones beyond (see docs of Grammar::from_json_schema).
#pragma once

#include <optional>
#include <string>

#include "limbeck/base/json.h"

namespace limbeck {

// Empty if `value` is valid under `schema`; otherwise why not, with the JSON pointer of the value
// ("/items/3/name: expected string, found number"). Known formats (date, time, date-time, email,
// uuid, ipv4) are checked; "nullable": true adds null, as OpenAPI has it. Throws
// Error{unsupported} naming a keyword it cannot check (remote $ref, $dynamicRef, unevaluated...),
// Error{format} for a schema that is not one or whose $ref never ends.
std::optional<std::string> validate_json(const Json& schema, const Json& value);
// As above, for a part of a larger schema: $ref is looked up in `root`.
std::optional<std::string> validate_json(const Json& schema, const Json& value, const Json& root);

}  // namespace limbeck
