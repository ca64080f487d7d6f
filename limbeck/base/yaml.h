// Strict YAML for recipes and tasks: no aliases, no tags, no duplicate keys, 1 MiB, depth 64.
#pragma once

#include <string>
#include <string_view>

#include "limbeck/base/json.h"

namespace limbeck {

// The document as a JSON tree; plain scalars become null, booleans (true/false), numbers or strings
// by the YAML 1.2 core schema ("no" and "on" stay strings), quoted scalars always strings. Throws
// Error{usage} naming file:line.
Json parse_yaml(std::string_view text, std::string_view origin);
Json read_yaml_file(const std::string& path);

// Block-style YAML that parse_yaml reads back to the same tree.
std::string to_yaml(const Json& json);

}  // namespace limbeck
