// limbeck <command>: one file per command; this one only picks it and turns errors into exit codes.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/limits.h"
#include "limbeck/base/mapped_file.h"
#include "limbeck/base/terminal.h"
#include "limbeck/base/version.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/commands.h"
#include "limbeck/cli/trainer_program.h"

namespace limbeck::cli {
namespace {

std::string help() {
  std::string text =
      "limbeck makes a language model small, both ways, and proves which way was better.\n\n"
      "Usage: limbeck <command> [options]\n\nCommands:\n";
  for (const Command& command : commands()) {
    text += fmt::format("  {:<12} {}\n", command.name, command.summary);
  }
  return text +
         "\nlimbeck <command> --help says more; limbeck --version names this build;\n"
         "limbeck help limits lists what is believed of foreign input.\n"
         "Exit codes: 0 done, 1 internal, 2 usage, 3 bad file, 4 quality gate, 5 disk or memory,\n"
         "6 teacher or network, 7 interrupted and resumable, 130 Ctrl-C.\n";
}

[[noreturn]] void refuse_command(std::string_view name) {
  std::vector<std::string> names;
  for (const Command& command : commands()) names.emplace_back(command.name);
  const std::string near = nearest(name, names);
  fail_try(ErrorKind::usage,
           near.empty() ? "limbeck --help" : fmt::format("did you mean '{}'?", near),
           "there is no command '{}'", name);
}

// limbeck --limit NAME=VALUE ... <command>: taken out of the arguments. Returns how many are left.
int take_limits(int argc, char** argv) {
  int taken = 1;
  while (taken < argc && argv[taken] == std::string_view("--limit")) {
    if (taken + 1 == argc) {
      fail_try(ErrorKind::usage, "limbeck help limits", "--limit needs NAME=VALUE");
    }
    set_limit(argv[taken + 1]);
    taken += 2;
  }
  std::rotate(argv + 1, argv + taken, argv + argc);
  argv[argc - taken + 1] = nullptr;
  return argc - taken + 1;
}

std::string limits_help() {
  std::string text =
      "Bounds on what files, texts and answers may hold: limbeck --limit NAME=VALUE <command> "
      "...\n\n";
  for (const LimitInfo& limit : limit_table()) {
    text += fmt::format("  {:<26} {:>11}  {}\n", limit.name, limits().*limit.value, limit.meaning);
  }
  return text;
}

// --option, --option=VALUE
bool has_option(int argc, char** argv, std::string_view option) {
  return std::any_of(argv + 2, argv + argc, [&](std::string_view argument) {
    return argument.starts_with(option) &&
           (argument.size() == option.size() || argument[option.size()] == '=');
  });
}

int run(int argc, char** argv) {
  if (argc < 2) {
    std::fputs(help().c_str(), stderr);
    return exit_code(ErrorKind::usage);
  }
  const std::string_view name = argv[1];
  if (name == "help" && argc > 2 && argv[2] == std::string_view("limits")) {
    return print(limits_help()), 0;
  }
  if (name == "help" && argc > 2) {  // limbeck help run: as limbeck run --help
    std::string command = argv[2], flag = "--help";
    char* arguments[] = {argv[0], command.data(), flag.data(), nullptr};
    return run(3, arguments);
  }
  if (name == "--help" || name == "-h" || name == "help") return print(help()), 0;
  if (name == "--version") return print(fmt::format("limbeck {}\n", version())), 0;
  const auto found = std::ranges::find(commands(), name, &Command::name);
  if (found == commands().end()) refuse_command(name);
  const std::string_view option = found->trains_with;
  if (found->trains || (!option.empty() && has_option(argc, argv, option))) {
    continue_as_trainer(argv);
  }
  install_interrupt_handler();
  const int code = found->run(argc - 1, argv + 1);
  check_mapped_files();
  return code;
}

// At most four lines; `at` only where the message does not start with it. As JSON on standard
// output. `kind` is an ErrorKind's name, or "internal" for a bug.
void report(std::string_view kind, const Error& error, bool json) {
  const std::string_view message = error.what();
  if (json) {
    const Json object = {
        {"kind", kind}, {"message", message}, {"where", error.where()}, {"remedy", error.remedy()}};
    std::fputs((to_text(Json{{"error", object}}) + '\n').c_str(), stdout);
    std::fflush(stdout);
    return;
  }
  const bool color = use_color(2);
  std::string text = fmt::format("{}error[{}]:{} {}\n", color ? "\x1b[1;31m" : "", kind,
                                 color ? "\x1b[0m" : "", safe_tty(message));
  if (!error.where().empty() && !message.starts_with(error.where())) {
    text += "  at: " + safe_tty(error.where()) + '\n';
  }
  if (!error.remedy().empty()) text += "  try: " + safe_tty(error.remedy()) + '\n';
  std::fputs(text.c_str(), stderr);
}

// Where an exception may not leave: nlohmann-json's destructors allocate. No memory is not a bug.
[[noreturn]] void on_terminate() {
  try {
    if (std::current_exception()) std::rethrow_exception(std::current_exception());
  } catch (const std::bad_alloc&) {
    std::fputs("error[io]: out of memory\n", stderr);
    std::_Exit(exit_code(ErrorKind::io));
  } catch (...) {
    // A bug: the default prints what it was.
  }
  __gnu_cxx::__verbose_terminate_handler();
  std::abort();
}

int report(const Error& error, bool json) {
  report(name(error.kind()), error, json);
  const int stopped = error.kind() == ErrorKind::interrupted ? interrupt_exit_code() : 0;
  return stopped != 0 ? stopped : exit_code(error.kind());
}

}  // namespace
}  // namespace limbeck::cli

int main(int argc, char** argv) {
  using namespace limbeck;
  std::set_terminate(cli::on_terminate);
  const bool json = std::any_of(argv, argv + argc,
                                [](std::string_view argument) { return argument == "--json"; });
  try {
    return cli::run(cli::take_limits(argc, argv), argv);
  } catch (const Error& error) {
    return cli::report(error, json);
  } catch (const std::bad_alloc&) {
    return cli::report(Error(ErrorKind::io, "out of memory"), json);
  } catch (const std::system_error& error) {  // no thread, no descriptor
    return cli::report(Error(ErrorKind::io, error.what()), json);
  } catch (const std::exception& error) {
    cli::report("internal", Error(ErrorKind::io, error.what()), json);
    return 1;
  }
}
