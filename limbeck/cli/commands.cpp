#include "limbeck/cli/commands.h"

#include <vector>

namespace limbeck::cli {

// Each in its own file.
int run_tokenize(int argc, char** argv);
int run_quantize(int argc, char** argv);
int run_convert(int argc, char** argv);
int run_inspect(int argc, char** argv);

std::span<const Command> commands() noexcept {
  static const std::vector<Command> table = {
      // name, one line of help, function; in the order of the help screen
      {"tokenize", "text to token ids, and back", run_tokenize},
      {"quantize", "store a model in fewer bits", run_quantize},
      {"convert", "a model from one file format to the other", run_convert},
      {"inspect", "what a model file holds", run_inspect},
  };
  return table;
}

}  // namespace limbeck::cli
