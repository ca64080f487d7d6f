// limbeck completion: what a shell needs to complete commands and options, from the commands' own
// descriptions.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/commands.h"

namespace limbeck::cli {
namespace {

std::string command_names() {
  std::string names;
  for (const Command& command : commands())
    names += (names.empty() ? "" : " ") + std::string(command.name);
  return names;
}

std::vector<std::string> option_names(const Json& description) {
  std::vector<std::string> names;
  for (const Json& option : description.at("options")) {
    for (const Json& name : option.at("names")) names.push_back(name.get<std::string>());
  }
  return names;
}

std::string bash() {
  std::string cases;
  for (const Command& command : commands()) {
    cases += fmt::format("    {}) words=\"{}\" ;;\n", command.name,
                         fmt::join(option_names(describe_command(command)), " "));
  }
  return fmt::format(
      "# bash completion of limbeck: limbeck completion bash > "
      "~/.local/share/bash-completion/completions/limbeck\n"
      "_limbeck() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} words=\"\"\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W \"{} --help --version\" -- \"$current\"))\n"
      "    return\n"
      "  fi\n"
      "  case ${{COMP_WORDS[1]}} in\n{}  esac\n"
      "  if [[ $current == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  else\n"
      "    compopt -o filenames 2>/dev/null\n"
      "    COMPREPLY=($(compgen -f -- \"$current\"))\n"
      "  fi\n"
      "}}\n"
      "complete -F _limbeck limbeck\n",
      command_names(), cases);
}

// Text inside single quotes of a shell; zsh's _arguments also reads [ ] and :.
std::string quoted(std::string_view text, bool zsh) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += zsh ? "'\\''" : "\\'";
      continue;
    }
    if (zsh && (c == '[' || c == ']' || c == ':')) out += '\\';
    if (!zsh && c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh() {
  std::string list, cases;
  for (const Command& command : commands()) {
    list += fmt::format("    '{}:{}'\n", command.name, quoted(command.summary, true));
    cases += fmt::format("    {})\n      _arguments -s", command.name);
    const Json description = describe_command(command);
    for (const Json& option : description.at("options")) {
      for (const Json& name : option.at("names"))
        cases += fmt::format(" \\\n        '{}[{}]{}'", name.get<std::string>(),
                             quoted(option.at("description").get<std::string>(), true),
                             option.at("value").is_null() ? "" : ":value:_files");
    }
    cases += " \\\n        '*:file:_files'\n      ;;\n";
  }
  return fmt::format(
      "#compdef limbeck\n"
      "# zsh completion of limbeck: limbeck completion zsh > a folder of $fpath/_limbeck\n"
      "_limbeck() {{\n  local -a commands\n  commands=(\n{}  )\n"
      "  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n"
      "  local command=$words[2]\n  shift words\n  (( CURRENT-- ))\n"
      "  case $command in\n{}  esac\n}}\n_limbeck \"$@\"\n",
      list, cases);
}

std::string fish() {
  std::string out =
      "# fish completion of limbeck: limbeck completion fish > "
      "~/.config/fish/completions/limbeck.fish\n";
  for (const Command& command : commands()) {
    out += fmt::format("complete -c limbeck -n __fish_use_subcommand -a {} -d '{}'\n", command.name,
                       quoted(command.summary, false));
    const Json description = describe_command(command);
    for (const Json& option : description.at("options")) {
      out += fmt::format("complete -c limbeck -n '__fish_seen_subcommand_from {}'", command.name);
      for (const Json& json : option.at("names")) {
        const std::string name = json.get<std::string>();
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      out += fmt::format("{} -d '{}'\n", option.at("value").is_null() ? "" : " -r",
                         quoted(option.at("description").get<std::string>(), false));
    }
  }
  return out;
}

}  // namespace

int run_completion(int argc, char** argv) {
  std::string shell;
  Arguments arguments(
      "completion", "A script with which a shell completes commands and options.",
      "limbeck completion bash > ~/.local/share/bash-completion/completions/limbeck\n"
      "limbeck completion fish > ~/.config/fish/completions/limbeck.fish");
  arguments.app()
      .add_option("shell", shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  if (!arguments.parse(argc, argv)) return 0;
  print(shell == "bash" ? bash() : shell == "zsh" ? zsh() : fish());
  return 0;
}

}  // namespace limbeck::cli
