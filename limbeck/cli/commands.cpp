#include "limbeck/cli/commands.h"

#include <vector>

namespace limbeck::cli {

// Each in its own file.

std::span<const Command> commands() noexcept {
  static const std::vector<Command> table = {
      // name, one line of help, function; in the order of the help screen
  };
  return table;
}

}  // namespace limbeck::cli
