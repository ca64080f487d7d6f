// JSON trees with the limits hostile input needs. Keys keep their order: prompts depend on it.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "limbeck/base/limits.h"

namespace limbeck {

using Json = nlohmann::ordered_json;

struct JsonLimits {
  std::size_t bytes = limits().json_bytes;  // of the text
  std::size_t depth = limits().json_depth;  // of nested arrays and objects
  bool duplicate_keys = false;              // allowed? then the last one counts
  std::size_t first_line = 1;               // of the text, in errors: its place in a larger file
};

// Throws Error{format} naming `origin`, line and column on bad JSON, a limit exceeded, a duplicate
// key, a number that is not finite, or text that is not UTF-8.
Json parse_json(std::string_view text, std::string_view origin, const JsonLimits& limits = {});

// As parse_json, from a file of at most `limits.bytes`. Throws also as read_file.
Json read_json_file(const std::string& path, const JsonLimits& limits = {});

// Compact text; bytes that are not UTF-8 become U+FFFD, so it never throws on foreign strings.
std::string to_text(const Json& json, int indent = -1);

}  // namespace limbeck
