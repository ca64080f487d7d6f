// The commands of limbeck, each in its own file.
#pragma once

#include <span>
#include <string_view>

#include "limbeck/base/json.h"

namespace limbeck::cli {

struct Command {
  std::string_view name;
  std::string_view summary;  // one line of `limbeck --help`
  // argv[0] is the command's name; returns the exit code; throws Error.
  int (*run)(int argc, char** argv);
  bool trains = false;                // runs as limbeck-train
  std::string_view trains_with = {};  // where this option is given
};

std::span<const Command> commands() noexcept;  // in the order of the help screen; commands.cpp

// What `limbeck <command> --help` knows, without running it: see help.h.
Json describe_command(const Command& command);

}  // namespace limbeck::cli
