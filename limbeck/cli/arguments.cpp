#include "limbeck/cli/arguments.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/help.h"

namespace limbeck::cli {
namespace {

[[noreturn]] void refuse_extra(const CLI::App& app, const std::string& extra) {
  Error error(ErrorKind::usage, fmt::format("{}: unexpected {} '{}'", app.get_name(),
                                            extra.starts_with('-') ? "option" : "argument", extra));
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  const std::string near = nearest(extra.substr(0, extra.find('=')), known);
  throw near.empty() ? error.try_this(fmt::format("{} --help", app.get_name()))
                     : error.try_this(fmt::format("did you mean '{}'?", near));
}

// The library writes the largest double in full where a bound is open.
std::string readable(std::string message) {
  const auto open = message.find(" not in range 0.000000 to 17976931");
  return open == std::string::npos ? message : message.substr(0, open) + " is too small";
}

}  // namespace

Arguments::Arguments(std::string name, std::string description, std::string examples)
    : app_(std::move(description), "limbeck " + name), examples_(std::move(examples)) {
  app_.option_defaults()->always_capture_default();
  app_.set_help_flag("-h,--help", "Print this help");
  app_.add_option("--threads", common_.threads, "Threads; 0: one per core")
      ->check(CLI::Range(0, 1024));
  app_.add_option("--seed", common_.seed, "Seed of everything random");
  app_.add_flag("-v,--verbose", verbose_, "Say more");
  app_.add_flag("-q,--quiet", quiet_, "Say nothing but errors")->excludes("--verbose");
}

void Arguments::add_json() {
  app_.add_flag("--json", common_.json, "One JSON object on standard output");
}

bool Arguments::parse(int argc, char** argv) {
  if (argc == 2 && argv[1] == kDescribeFlag) throw Description{describe(app_, examples_)};
  try {
    app_.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    print(help_screen(app_, examples_, terminal_columns(1)));
    return false;
  } catch (const CLI::ExtrasError&) {
    const auto extras = app_.remaining();
    refuse_extra(app_, extras.empty() ? std::string() : extras.front());
  } catch (const CLI::ParseError& error) {
    fail_try(ErrorKind::usage, app_.get_name() + " --help", "{}: {}", app_.get_name(),
             readable(error.what()));
  }
  if (verbose_) set_verbosity(Verbosity::verbose);
  if (quiet_) set_verbosity(Verbosity::quiet);
  return true;
}

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    fail(ErrorKind::io, "standard output: cannot write: {}", std::strerror(errno));
  }
}

void print_json(const Json& json) { print(to_text(json) + '\n'); }

}  // namespace limbeck::cli
