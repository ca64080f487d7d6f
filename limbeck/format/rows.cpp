#include "limbeck/format/rows.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <unordered_set>
#include <utility>

#include "limbeck/base/error.h"
#include "limbeck/base/limits.h"
#include "limbeck/base/mapped_file.h"
#include "limbeck/base/terminal.h"
#include "limbeck/base/utf8.h"

namespace limbeck {
namespace {

[[noreturn]] void refuse(std::string_view origin, std::size_t line, std::string_view what) {
  const auto where = fmt::format("{}:{}", origin, line);
  throw Error(ErrorKind::format, fmt::format("{}: {}", where, what)).at(where);
}

std::string_view without_mark(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  return text.starts_with(kByteOrderMark) ? text.substr(kByteOrderMark.size()) : text;
}

std::string_view text_of(const MappedFile& file) {
  const auto bytes = file.bytes();
  return without_mark({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// Cuts records out of RFC 4180 text.
class DelimitedReader {
 public:
  DelimitedReader(std::string_view text, char separator, std::string_view origin)
      : text_(text), separator_(separator), origin_(origin) {}

  // False at the end. Empty lines are passed over.
  bool next(std::vector<std::string>& fields, std::size_t& line) {
    while (at_ < text_.size() && skip_line_end()) {
    }
    if (at_ == text_.size()) return false;
    line = line_;
    fields.clear();
    do {
      if (fields.size() == limits().rows_columns) {
        refuse(origin_, line, fmt::format("more than {} fields", limits().rows_columns));
      }
      fields.push_back(field());
      if (!is_utf8(fields.back())) refuse(origin_, line, "a field is not UTF-8");
    } while (skip_separator());
    if (at_ < text_.size() && !skip_line_end()) {
      refuse(origin_, line_, "text after a closing quote");
    }
    return true;
  }

 private:
  std::string field() {
    if (at_ < text_.size() && text_[at_] == '"') return quoted_field();
    const char ends[] = {separator_, '\n', '\r'};
    const auto end = std::min(text_.find_first_of(std::string_view(ends, 3), at_), text_.size());
    check_size(end - at_, line_);
    const std::size_t start = std::exchange(at_, end);
    return std::string(text_.substr(start, end - start));
  }

  std::string quoted_field() {
    const std::size_t start = line_;
    std::string out;
    for (++at_;;) {
      const auto quote = text_.find('"', at_);
      if (quote == text_.npos) refuse(origin_, start, "a quote is never closed");
      const auto piece = text_.substr(at_, quote - at_);
      line_ += static_cast<std::size_t>(std::ranges::count(piece, '\n'));
      out += piece;
      check_size(out.size(), start);
      at_ = quote + 1;
      if (at_ == text_.size() || text_[at_] != '"') return out;
      out += text_[at_++];
    }
  }

  void check_size(std::size_t bytes, std::size_t line) const {
    if (bytes > limits().rows_line_bytes) {
      refuse(origin_, line, fmt::format("a field is over {} bytes", limits().rows_line_bytes));
    }
  }

  bool skip_separator() {
    if (at_ == text_.size() || text_[at_] != separator_) return false;
    ++at_;
    return true;
  }

  bool skip_line_end() {
    const auto rest = text_.substr(at_);
    const std::size_t bytes = rest.starts_with("\r\n") ? 2 : rest[0] == '\n' || rest[0] == '\r';
    at_ += bytes;
    line_ += bytes > 0;
    return bytes > 0;
  }

  std::string_view text_;
  char separator_;
  std::string_view origin_;
  std::size_t at_ = 0, line_ = 1;
};

Json to_object(const std::vector<std::string>& names, std::vector<std::string>& fields) {
  Json::object_t object;
  // Appended to the vector underneath: the object's own insertion searches it each time.
  std::vector<std::pair<const std::string, Json>>& members = object;
  members.reserve(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    members.emplace_back(names[i], std::move(fields[i]));
  }
  return Json(std::move(object));
}

}  // namespace

std::vector<Row> parse_jsonl(std::string_view text, std::string_view origin) {
  std::vector<Row> rows;
  text = without_mark(text);
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    if (line.size() > limits().rows_line_bytes) {
      refuse(origin, number, fmt::format("the line is over {} bytes", limits().rows_line_bytes));
    }
    Json value =
        parse_json(line, origin, {.bytes = limits().rows_line_bytes, .first_line = number});
    if (!value.is_object()) refuse(origin, number, "an object {...} is needed on each line");
    rows.push_back({std::move(value), number});
  }
  return rows;
}

std::vector<Row> parse_delimited(std::string_view text, char separator, std::string_view origin) {
  DelimitedReader reader(without_mark(text), separator, origin);
  std::vector<std::string> names, fields;
  std::size_t line = 0;
  if (!reader.next(names, line)) refuse(origin, 1, "there is no header line");
  std::unordered_set<std::string_view> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) {
      refuse(origin, line, fmt::format("the column '{}' is there twice", safe_tty(name)));
    }
  }
  std::vector<Row> rows;
  while (reader.next(fields, line)) {
    if (fields.size() != names.size()) {
      refuse(origin, line,
             fmt::format("{} fields, the header has {}", fields.size(), names.size()));
    }
    rows.push_back({to_object(names, fields), line});
  }
  return rows;
}

std::vector<Row> parse_json_rows(std::string_view text, std::string_view origin) {
  Json json = parse_json(without_mark(text), origin, {.bytes = limits().rows_json_bytes});
  const auto is_object = [](const Json& item) { return item.is_object(); };
  if (!json.is_array() || !std::ranges::all_of(json, is_object)) {
    fail(ErrorKind::format, "{}: a list of objects [{{...}}, ...] is needed", origin);
  }
  std::vector<Row> rows;
  for (Json& item : json) rows.push_back({std::move(item), 0});
  return rows;
}

std::vector<Row> read_jsonl(const std::filesystem::path& path) {
  const MappedFile file(path);
  return parse_jsonl(text_of(file), path.string());
}

std::vector<Row> read_delimited(const std::filesystem::path& path, char separator) {
  const MappedFile file(path);
  return parse_delimited(text_of(file), separator, path.string());
}

std::vector<Row> read_rows(const std::filesystem::path& path) {
  const auto extension = path.extension();
  if (extension == ".jsonl" || extension == ".ndjson") return read_jsonl(path);
  if (extension == ".csv") return read_delimited(path, ',');
  if (extension == ".tsv") return read_delimited(path, '\t');
  if (extension != ".json") {
    fail_try(ErrorKind::usage, "use .jsonl, .ndjson, .csv, .tsv or .json",
             "{}: the extension does not say how to read it", path.string());
  }
  const MappedFile file(path);
  return parse_json_rows(text_of(file), path.string());
}

}  // namespace limbeck
