#include "limbeck/cli/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "limbeck/base/terminal.h"

namespace limbeck::cli {
namespace {

constexpr std::size_t kNameColumns = 26;  // of the options' names
constexpr std::array<std::string_view, 6> kCommon = {"threads", "seed", "verbose",
                                                     "quiet",   "help", "json"};

bool is_common(const CLI::Option& option) {
  if (option.get_lnames().empty()) return false;
  const bool named = std::ranges::find(kCommon, option.get_lnames()[0]) != kCommon.end();
  // compare's --json takes a file and is an option of its own.
  return named && !(option.get_lnames()[0] == "json" && option.get_items_expected_max() > 0);
}

bool is_positional(const CLI::Option& option) { return option.get_positional(); }

std::string value_of(const CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return {};
  const std::string type = option.get_type_name();
  if (type.starts_with("INT") || type.starts_with("UINT")) return "N";
  if (type.starts_with("FLOAT")) return "X";
  return option.get_items_expected_max() > 1 ? "TEXT..." : "TEXT";
}

// A default worth telling: no empty, zero or false one.
std::string default_of(const CLI::Option& option) {
  const std::string text = option.get_default_str();
  if (option.get_items_expected_max() == 0 || text == "[]" || text == "0" || text == "false" ||
      text == "\"\"" || text == "-1")
    return {};
  return text;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    lines.emplace_back(line);
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return lines;
}

// Words in lines of at most `columns`; all but the first begin with `indent` blanks.
std::string wrapped(std::string_view text, std::size_t first, std::size_t indent,
                    std::size_t columns) {
  std::string out;
  std::size_t used = first;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find_first_of(" \n"));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (word.empty()) continue;
    const auto width = static_cast<std::size_t>(display_width(word));
    if (used + width + 1 > columns && used > indent) {
      out += '\n' + std::string(indent, ' ');
      used = indent;
    } else if (used > indent || (out.empty() && used > first)) {
      out += ' ';
      ++used;
    }
    out += word;
    used += width;
  }
  return out;
}

std::string entry(const std::string& name, std::string text, std::size_t columns) {
  std::string out = "  " + name;
  if (name.size() + 2 >= kNameColumns) {
    out += '\n' + std::string(kNameColumns, ' ');
  } else {
    out += std::string(kNameColumns - name.size() - 2, ' ');
  }
  return out + wrapped(text, kNameColumns, kNameColumns, columns) + '\n';
}

std::string names_of(const CLI::Option& option) {
  if (is_positional(option)) return option.get_name(true, false);
  std::string names;
  for (const std::string& name : option.get_snames()) names += "-" + name + ", ";
  names += option.get_lnames().empty() ? "" : "--" + option.get_lnames()[0];
  if (option.get_lnames().empty()) names.resize(names.size() - 2);
  const std::string value = value_of(option);
  return value.empty() ? names : names + " " + value;
}

std::string description_of(const CLI::Option& option) {
  const std::string text = default_of(option);
  return option.get_description() + (text.empty() ? "" : fmt::format(" (default {})", text));
}

}  // namespace

std::string help_screen(const CLI::App& app, std::string_view examples, int columns) {
  const auto width = static_cast<std::size_t>(std::clamp(columns, 60, 100));
  std::string usage = app.get_name(), positionals, options, common;
  for (const CLI::Option* option : app.get_options()) {
    if (is_positional(*option)) {
      const bool many = option->get_items_expected_max() > 1;
      const std::string name = option->get_name(true, false) + (many ? "..." : "");
      usage += option->get_required() ? " " + name : " [" + name + "]";
      positionals += entry(names_of(*option), description_of(*option), width);
    } else if (is_common(*option)) {
      common += (common.empty() ? "" : ", ") + names_of(*option);
    } else {
      options +=
          entry(names_of(*option),
                description_of(*option) + (option->get_required() ? " (required)" : ""), width);
    }
  }
  std::string out = fmt::format("{}\n\nUsage: {} [options]\n",
                                wrapped(app.get_description(), 0, 0, width), usage);
  if (!positionals.empty()) out += positionals;
  if (!options.empty()) out += "\nOptions:\n" + options;
  out += entry("Every command:", common, width);
  out += "\nExamples:\n";
  for (const std::string& line : lines_of(examples)) out += "  " + line + '\n';
  return out;
}

Json describe(const CLI::App& app, std::string_view examples) {
  Json options = Json::array();
  for (const CLI::Option* option : app.get_options()) {
    if (is_positional(*option)) continue;
    Json names = Json::array();
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
    const std::string value = value_of(*option);
    options.push_back({{"names", names},
                       {"value", value.empty() ? Json() : Json(value)},
                       {"description", option->get_description()},
                       {"default", default_of(*option)},
                       {"required", option->get_required()},
                       {"common", is_common(*option)}});
  }
  return {{"name", app.get_name()},
          {"summary", app.get_description()},
          {"examples", lines_of(examples)},
          {"options", options},
          {"help", help_screen(app, examples, 100)}};
}

}  // namespace limbeck::cli
