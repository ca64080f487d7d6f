// limbeck manual: the reference of all commands, as docs/commands.md and as limbeck(1).
#include <fmt/format.h>

#include <string>

#include "limbeck/base/version.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/commands.h"

namespace limbeck::cli {
namespace {

struct Code {
  int code;
  const char* meaning;
};
constexpr Code kCodes[] = {{0, "done"},
                           {1, "internal error"},
                           {2, "usage or configuration"},
                           {3, "bad or hostile file"},
                           {4, "a quality gate failed"},
                           {5, "disk, memory or port"},
                           {6, "teacher or network"},
                           {7, "interrupted and resumable"},
                           {130, "Ctrl-C; a checkpoint was written first"}};

std::string markdown() {
  std::string out =
      "# Commands\n\nWritten by `limbeck manual markdown` from the commands' own help screens; do "
      "not "
      "edit.\n\n";
  for (const Command& command : commands())
    out += fmt::format("- [`{}`](#limbeck-{}): {}\n", command.name, command.name, command.summary);
  for (const Command& command : commands()) {
    out += fmt::format("\n## limbeck {}\n\n```\n{}```\n", command.name,
                       describe_command(command).at("help").get<std::string>());
  }
  out += "\n## Exit codes\n\n| code | means |\n|---:|---|\n";
  for (const Code& code : kCodes) out += fmt::format("| {} | {} |\n", code.code, code.meaning);
  return out;
}

// Text of a man page: roff's own characters escaped, no line that begins with one.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
      out += c;
    }
  }
  return out;
}

std::string man() {
  std::string out = fmt::format(
      ".TH LIMBECK 1 \"\" \"limbeck {}\" \"User commands\"\n.SH NAME\nlimbeck \\- makes language "
      "models small, and proves it\n.SH SYNOPSIS\n.B limbeck\n.I command\n[options]\n"
      ".SH COMMANDS\n",
      version());
  for (const Command& command : commands()) {
    const Json description = describe_command(command);
    out += fmt::format(".SS \"limbeck {}\"\n{}\n", command.name,
                       roff(description.at("summary").get<std::string>()));
    for (const Json& option : description.at("options")) {
      if (option.at("common").get<bool>()) continue;
      std::string names;
      for (const Json& name : option.at("names"))
        names += (names.empty() ? "" : ", ") + name.get<std::string>();
      out += fmt::format(
          ".TP\n.B {}{}\n{}\n", roff(names),
          option.at("value").is_null() ? "" : " " + option.at("value").get<std::string>(),
          roff(option.at("description").get<std::string>()));
    }
    out += ".PP\nExamples:\n.nf\n";
    for (const Json& example : description.at("examples"))
      out += roff(example.get<std::string>()) + "\n";
    out += ".fi\n";
  }
  out +=
      ".SH OPTIONS OF EVERY COMMAND\n\\-\\-threads N, \\-\\-seed N, \\-v, \\-q, \\-h; \\-\\-json "
      "where "
      "it prints a table\n.SH EXIT STATUS\n";
  for (const Code& code : kCodes) out += fmt::format(".TP\n{}\n{}\n", code.code, code.meaning);
  return out +
         ".SH ENVIRONMENT\n.TP\nNO_COLOR, CLICOLOR_FORCE, COLUMNS\ncolour and width of what is "
         "printed\n.TP\nXDG_CACHE_HOME\nwhere compare keeps what it "
         "measured\n.TP\nLIMBECK_API_KEY\n"
         "bearer token of endpoint teachers\n.TP\nLIMBECK_KERNELS\nforces an instruction set: "
         "scalar, avx2, avx512, avx512_bf16, amx\n";
}

}  // namespace

int run_manual(int argc, char** argv) {
  std::string format = "man";
  Arguments arguments("manual", "The reference of all commands.",
                      "limbeck manual > limbeck.1 && man ./limbeck.1\n"
                      "limbeck manual markdown > docs/commands.md");
  arguments.app()
      .add_option("format", format, "man or markdown")
      ->check(CLI::IsMember({"man", "markdown"}));
  if (!arguments.parse(argc, argv)) return 0;
  print(format == "man" ? man() : markdown());
  return 0;
}

}  // namespace limbeck::cli
