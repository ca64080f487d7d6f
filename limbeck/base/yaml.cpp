#include "limbeck/base/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/limits.h"
#include "limbeck/base/utf8.h"

namespace limbeck {
namespace {

[[noreturn]] void refuse(std::string_view origin, int line, std::string_view what) {
  const auto where = fmt::format("{}:{}", origin, line);
  throw Error(ErrorKind::usage, fmt::format("{}: {}", where, what)).at(where);
}

bool one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

// [digits] [. digits] [e sign digits], with at least one digit before the exponent.
bool is_decimal(std::string_view text) {
  std::size_t i = 0, digits = 0;
  const auto run = [&] {
    const std::size_t start = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i - start;
  };
  digits = run();
  if (i < text.size() && text[i] == '.') ++i, digits += run();
  if (digits == 0) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    if (++i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (run() == 0) return false;
  }
  return i == text.size();
}

template <typename T>
bool read_number(std::string_view text, T& value, auto... base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base...);
  return error == std::errc() && end == text.data() + text.size();
}

// A plain scalar by the core schema (YAML 1.2.2, section 10.3.2); nullopt: a number JSON lacks.
std::optional<Json> plain_scalar(std::string_view text) {
  if (one_of(text, {"", "~", "null", "Null", "NULL"})) return Json(nullptr);
  if (one_of(text, {"true", "True", "TRUE"})) return Json(true);
  if (one_of(text, {"false", "False", "FALSE"})) return Json(false);
  std::uint64_t natural = 0;
  if (text.starts_with("0x") && read_number(text.substr(2), natural, 16)) return Json(natural);
  if (text.starts_with("0o") && read_number(text.substr(2), natural, 8)) return Json(natural);
  const std::string_view unsigned_text =
      text.starts_with('+') || text.starts_with('-') ? text.substr(1) : text;
  if (one_of(unsigned_text, {".inf", ".Inf", ".INF"}) || one_of(text, {".nan", ".NaN", ".NAN"})) {
    return std::nullopt;
  }
  if (!is_decimal(unsigned_text)) return Json(std::string(text));
  const std::string_view number = text.starts_with('+') ? unsigned_text : text;
  std::int64_t integer = 0;
  double real = 0;
  if (read_number(number, integer)) return Json(integer);
  if (read_number(number, natural)) return Json(natural);
  if (!read_number(number, real) || !std::isfinite(real)) return std::nullopt;
  return Json(real);
}

// yaml-cpp gives the escapes \N and \_ as single bytes of Latin-1; the text itself was UTF-8.
std::string as_utf8(const std::string& text) {
  if (is_utf8(text)) return text;
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint c = code_point_at(text, i);
    append_utf8(out, c.valid ? c.value : static_cast<unsigned char>(text[i]));
    i += c.bytes;
  }
  return out;
}

class EventReader : public YAML::EventHandler {
 public:
  explicit EventReader(std::string_view origin) : origin_(origin) {}

  Json take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse_at(mark, "aliases (*name) are not allowed here: write the value out");
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, "", anchor);
    if (expects_key()) refuse_at(mark, "a key must be text");
    place(nullptr);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    check(mark, tag, anchor);
    const std::string value = as_utf8(text);
    if (expects_key()) return add_key(mark, value);
    if (tag == "!") return (void)place(value);  // quoted or block text
    auto scalar = plain_scalar(value);
    if (!scalar) refuse_at(mark, fmt::format("{} is not a finite number", value));
    place(std::move(*scalar));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Json::array());
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Json::object());
  }
  void OnSequenceEnd() override { levels_.pop_back(); }
  void OnMapEnd() override { levels_.pop_back(); }

 private:
  struct Level {
    Json* container;
    bool has_key = false;
    std::string key;
    std::unordered_set<std::string> keys = {};  // so far
  };

  [[noreturn]] void refuse_at(const YAML::Mark& mark, std::string_view what) const {
    refuse(origin_, mark.line + 1, what);
  }

  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) const {
    if (anchor != 0) refuse_at(mark, "anchors (&name) are not allowed here");
    if (!one_of(tag, {"", "?", "!"})) {
      refuse_at(mark, fmt::format("tags ({}) are not allowed here", tag));
    }
  }

  bool expects_key() const {
    return !levels_.empty() && levels_.back().container->is_object() && !levels_.back().has_key;
  }

  void add_key(const YAML::Mark& mark, const std::string& key) {
    Level& level = levels_.back();
    if (!level.keys.insert(key).second) refuse_at(mark, fmt::format("duplicate key '{}'", key));
    level.key = key;
    level.has_key = true;
  }

  Json* place(Json value) {
    if (levels_.empty()) return &(root_ = std::move(value));
    Level& level = levels_.back();
    if (level.container->is_array()) {
      level.container->push_back(std::move(value));
      return &level.container->back();
    }
    level.has_key = false;
    // Appended to the vector underneath: the object's own insertion searches it each time.
    std::vector<std::pair<const std::string, Json>>& members =
        level.container->get_ref<Json::object_t&>();
    return &members.emplace_back(std::move(level.key), std::move(value)).second;
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Json container) {
    check(mark, tag, anchor);
    if (expects_key()) refuse_at(mark, "a key must be text");
    if (levels_.size() >= limits().yaml_depth) {
      refuse_at(mark, fmt::format("nested deeper than {} levels", limits().yaml_depth));
    }
    levels_.push_back({place(std::move(container)), false, {}, {}});
  }

  std::string_view origin_;
  Json root_;
  std::vector<Level> levels_;
};

void check_text(std::string_view text, std::string_view origin) {
  if (text.size() > limits().yaml_bytes) {
    fail(ErrorKind::usage, "{}: {} bytes of YAML, the limit is {}", origin, text.size(),
         limits().yaml_bytes);
  }
  int line = 1;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint c = code_point_at(text, i);
    if (!c.valid) refuse(origin, line, "this line is not UTF-8");
    if (c.value == '\n') ++line;
    if (c.value < 0x20 && c.value != '\n' && c.value != '\t' && c.value != '\r') {
      refuse(origin, line, fmt::format("control character \\x{:02x}", c.value));
    }
    i += c.bytes;
  }
}

// Line ends of YAML 1.1 and the byte order mark: readers fold or drop them where they stand bare.
bool has_odd_breaks(std::string_view text) {
  for (const std::string_view odd : {"\u0085", "\u2028", "\u2029", "\ufeff"}) {
    if (text.find(odd) != text.npos) return true;
  }
  return false;
}

bool is_plain(const std::string& text) {
  const auto safe = [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-' || c == '.' || c == '/' || c == ' ' || c >= 0x80;
  };
  if (text.empty() || !std::isalpha(static_cast<unsigned char>(text[0])) || text.back() == ' ' ||
      text.size() > 100 || !std::ranges::all_of(text, safe) || has_odd_breaks(text)) {
    return false;
  }
  const auto scalar = plain_scalar(text);
  return scalar && scalar->is_string();
}

std::string scalar_text(const Json& json) {
  if (json.is_string() && is_plain(json.get_ref<const std::string&>())) {
    return json.get<std::string>();
  }
  if (json.is_string() && has_odd_breaks(json.get_ref<const std::string&>())) {
    return json.dump(-1, ' ', true, Json::error_handler_t::replace);  // as \u escapes
  }
  return to_text(json);  // JSON scalars, {} and [] are YAML
}

void write(std::string& out, const Json& json, std::size_t indent) {
  for (const auto& item : json.items()) {
    const Json& value = item.value();
    out.append(indent, ' ');
    out += json.is_object() ? scalar_text(Json(item.key())) + ":" : "-";
    if (value.is_structured() && !value.empty()) {
      out += '\n';
      write(out, value, indent + 2);
    } else {
      out += ' ' + scalar_text(value) + '\n';
    }
  }
}

}  // namespace

Json parse_yaml(std::string_view text, std::string_view origin) {
  check_text(text, origin);
  std::istringstream stream{std::string(text)};
  EventReader builder(origin);
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    EventReader second(origin);
    if (parser.HandleNextDocument(second)) {
      fail(ErrorKind::usage, "{}: holds a second document (---); one is allowed", origin);
    }
  } catch (const YAML::Exception& error) {
    refuse(origin, error.mark.line + 1, error.msg);
  }
  return builder.take();
}

Json read_yaml_file(const std::string& path) {
  return parse_yaml(read_file(path, limits().yaml_bytes), path);
}

std::string to_yaml(const Json& json) {
  if (!json.is_structured() || json.empty()) return scalar_text(json) + '\n';
  std::string out;
  write(out, json, 0);
  return out;
}

}  // namespace limbeck
