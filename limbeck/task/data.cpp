// Finds data files and the shape each of them has.
#include "limbeck/task/data.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <cstdlib>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"

namespace limbeck {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;  // of one JSON data file

// Some published files (SNIPS) are Latin-1, whose bytes are the first 256 code points.
std::string from_latin1(std::string_view text) {
  std::string out;
  for (const char c : text) append_utf8(out, static_cast<unsigned char>(c));
  return out;
}

Json read_json_data(const std::filesystem::path& file, std::vector<std::string>& notes) {
  std::string text = read_file(file, kMostBytes);
  if (!is_utf8(text)) {
    text = from_latin1(text);
    notes.push_back(fmt::format("{}: not UTF-8, read as Latin-1", file.filename().string()));
  }
  JsonLimits limits;
  limits.bytes = text.size();
  return parse_json(text, file.string(), limits);
}

std::string shape_of(const Json& root) {
  if (root.is_object() && root.contains("data") && root["data"].is_array()) return "squad";
  if (root.is_array() && !root.empty() && root[0].is_object() && root[0].contains("userInput")) {
    return "restaurant8k";
  }
  if (root.is_object() && !root.empty() && root.begin()->is_array()) return "snips";
  return "table";
}

bool is_chat(const std::vector<Row>& rows) {
  return !rows.empty() &&
         (rows[0].value.contains("messages") || rows[0].value.contains("conversations"));
}

DataFile read_whole_json(const std::filesystem::path& file, const DataOptions& options,
                         TaskKind kind, bool gold, std::string& format) {
  std::vector<std::string> notes;
  const Json root = read_json_data(file, notes);
  if (format == "auto") format = shape_of(root);
  const std::string name = file.filename().string();
  DataFile out;
  if (format == "squad") {
    out = read_squad(root, name);
  } else if (format == "snips") {
    out = read_snips(root, name, kind);
  } else if (format == "restaurant8k") {
    out = read_spans(root, name);
  } else {
    const auto rows = read_rows(file);
    if (is_chat(rows)) format = "chat";
    out = format == "chat" ? read_chat(rows, name, options, kind, gold)
                           : read_table(rows, name, options, kind, gold);
  }
  out.notes.insert(out.notes.begin(), notes.begin(), notes.end());
  return out;
}

}  // namespace

DataOptions read_data_options(Fields& fields) {
  DataOptions options;
  options.train = fields.texts("train");
  options.test = fields.texts("test");
  options.format = fields.text("format", options.format);
  options.input = fields.texts("input");
  options.output = fields.text("output");
  options.turns = fields.text("turns", options.turns);
  fields.refuse_unknown();
  const auto one_of = [&](std::string_view key, const std::string& value,
                          const std::vector<std::string>& known) {
    if (std::find(known.begin(), known.end(), value) != known.end()) return;
    const std::string near = nearest(value, known);
    fail(ErrorKind::usage, "{}: {} '{}' is not one of {}{}", fields.where(), key, value,
         fmt::join(known, ", "), near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
  };
  one_of("format", options.format, {"auto", "table", "chat", "squad", "snips", "restaurant8k"});
  one_of("turns", options.turns, {"last", "all"});
  return options;
}

std::string expand_environment(std::string_view text, std::string_view where) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto open = text.find("${", at);
    out += text.substr(at, open - at);
    if (open == text.npos) break;
    const auto close = text.find('}', open);
    if (close == text.npos) fail(ErrorKind::usage, "{}: '${{' without '}}' in '{}'", where, text);
    const std::string name(text.substr(open + 2, close - open - 2));
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') {
      fail_try(ErrorKind::usage, fmt::format("export {}=<folder>", name),
               "{}: '{}' needs the environment variable {}, which is not set", where, text, name);
    }
    out += value;
    at = close + 1;
  }
  return out;
}

std::vector<std::filesystem::path> data_files(const std::filesystem::path& folder,
                                              std::string_view path, std::string_view where) {
  const std::filesystem::path full = folder / expand_environment(path, where);
  if (full.string().find('*') == std::string::npos) {
    if (!std::filesystem::is_regular_file(full)) {
      fail(ErrorKind::usage, "{}: there is no file '{}'", where, full.string());
    }
    return {full};
  }
  glob_t found{};
  const int result = glob(full.c_str(), 0, nullptr, &found);
  std::vector<std::filesystem::path> files;
  for (std::size_t i = 0; i < found.gl_pathc; ++i) files.emplace_back(found.gl_pathv[i]);
  globfree(&found);
  if (result != 0 || files.empty()) {
    fail(ErrorKind::usage, "{}: no file matches '{}'", where, full.string());
  }
  return files;
}

DataFile read_data_file(const std::filesystem::path& file, const DataOptions& options,
                        TaskKind kind, bool gold) {
  std::string format = options.format;
  const std::string name = file.filename().string();
  DataFile out;
  if (file.extension() == ".json") {
    out = read_whole_json(file, options, kind, gold, format);
  } else {
    const auto rows = read_rows(file);
    if (format == "auto") format = is_chat(rows) ? "chat" : "table";
    if (format != "chat" && format != "table") {
      fail(ErrorKind::usage, "{}: format '{}' is a .json file", file.string(), format);
    }
    out = format == "chat" ? read_chat(rows, name, options, kind, gold)
                           : read_table(rows, name, options, kind, gold);
  }
  out.notes.insert(out.notes.begin(),
                   fmt::format("{}: {} examples ({})", name, out.examples.size(), format));
  return out;
}

void Skipped::add(std::string_view reason, std::size_t line) {
  auto found = std::find_if(reasons_.begin(), reasons_.end(),
                            [&](const Reason& r) { return r.why == reason; });
  if (found == reasons_.end()) found = reasons_.insert(found, Reason{std::string(reason), 0, {}});
  ++found->count;
  if (found->lines.size() < 10) found->lines.push_back(line);
}

std::string Skipped::text() const {
  std::string out;
  for (const Reason& r : reasons_) {
    if (!out.empty()) out += "; ";
    out += fmt::format("{} row{} skipped: {} (line{} {}{})", r.count, r.count == 1 ? "" : "s",
                       r.why, r.count == 1 ? "" : "s", fmt::join(r.lines, ", "),
                       r.count > r.lines.size() ? ", ..." : "");
  }
  return out;
}

}  // namespace limbeck
