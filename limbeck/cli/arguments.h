// Argument parsing shared by all commands: common options, exit codes, "did you mean".
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "limbeck/base/json.h"

namespace limbeck::cli {

struct CommonOptions {
  int threads = 0;  // 0: one per core
  std::uint64_t seed = 1;
  bool json = false;  // one JSON object on standard output
};

// A command's parser: `limbeck <name>`; adds --threads, --seed, -v, -q, and --json if asked for.
// `examples` are the lines printed under "Examples:" of --help, newline between them.
//
//   Arguments arguments("inspect", "What a model file holds", "limbeck inspect model.gguf");
//   arguments.app().add_option("file", path, "A .gguf or .safetensors file")->required();
//   arguments.add_json();
//   if (!arguments.parse(argc, argv)) return 0;
class Arguments {
 public:
  Arguments(std::string name, std::string description, std::string examples);
  CLI::App& app() noexcept { return app_; }
  const CommonOptions& common() const noexcept { return common_; }
  void add_json();

  // False if --help was printed (the command then returns 0). Sets the verbosity. Throws
  // Error{usage}, with the nearest known flag for an unknown one.
  bool parse(int argc, char** argv);

 private:
  CLI::App app_;
  std::string examples_;
  CommonOptions common_;
  bool verbose_ = false, quiet_ = false;
};

// The text to standard output, flushed. Throws Error{io} if it cannot be written.
void print(std::string_view text);
// The object to standard output, one line, flushed. Throws Error{io} if it cannot be written.
void print_json(const Json& json);

}  // namespace limbeck::cli
