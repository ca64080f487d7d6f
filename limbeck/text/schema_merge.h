// One schema that says what several say together: how allOf, and $ref beside other keywords, are
// compiled.
#pragma once

#include <string>

#include "limbeck/base/json.h"

namespace limbeck {

// Both at once. Parts of properties and items are joined under "allOf", to be merged when they are
// compiled. Throws Error{unsupported} naming the keyword where two values cannot be joined
// (two patterns, two prefixItems); `where` is the JSON pointer for the message.
Json merge_schemas(const Json& a, const Json& b, const std::string& where);

// Does the schema say anything about values besides `key`? Annotations do not count.
bool says_more_than(const Json& schema, std::string_view key);

}  // namespace limbeck
