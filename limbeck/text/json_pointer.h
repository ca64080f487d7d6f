// JSON pointers (RFC 6901) in local references of schemas: "#/$defs/node".
#pragma once

#include <string>
#include <string_view>

#include "limbeck/base/json.h"

namespace limbeck {

// What "#..." names in `root`; null if nothing. Throws Error{unsupported} if it is not local.
const Json* resolve_local_ref(const Json& root, std::string_view ref);
// One more step of a pointer, escaped.
std::string pointer_step(std::string_view pointer, std::string_view key);
// Do two values mean the same? Keys in any order, 1 equals 1.0.
bool json_equal(const Json& a, const Json& b);

}  // namespace limbeck
