// A command's help screen, and the same facts for completion scripts and the manual.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "limbeck/base/json.h"

namespace limbeck::cli {

// One screen: what it does, usage, positionals, options, the options of every command in one line,
// examples. Lines are at most `columns` (in [60, 100]) wide.
std::string help_screen(const CLI::App& app, std::string_view examples, int columns);

// {"name", "summary", "examples": [..], "options": [{"names": ["--x", "-x"], "value": "TEXT" |
// null, "description", "default", "required", "common"}], "help": the screen at 100 columns}
Json describe(const CLI::App& app, std::string_view examples);

// Thrown by Arguments::parse instead of parsing where a description was asked for (describe_command
// in commands.h).
struct Description {
  Json json;
};
inline constexpr std::string_view kDescribeFlag = "--describe-yourself";

}  // namespace limbeck::cli
