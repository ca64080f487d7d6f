// Finding, ordering and comparing the JSON of answers.
#include "limbeck/task/json_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "limbeck/base/error.h"
#include "limbeck/base/sha256.h"
#include "limbeck/task/words.h"

namespace limbeck {
namespace {

constexpr int kMostStarts = 64;  // places where an object may begin, so that "{{{{..." stays cheap

std::optional<Json> parsed(std::string_view text) {
  try {
    return parse_json(text, "answer");
  } catch (const Error&) {
    return std::nullopt;
  }
}

// The stretch from text[0], an opening bracket, to where its depth returns to 0; empty if never.
std::string_view balanced(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return text.substr(0, i + 1);
    }
  }
  return {};
}

std::string_view inside_fence(std::string_view text) {
  const auto open = text.find("```");
  if (open == text.npos) return {};
  const auto line = text.find('\n', open);
  if (line == text.npos) return {};
  const auto close = text.find("```", line);
  return close == text.npos ? std::string_view{} : text.substr(line + 1, close - line - 1);
}

// Numbers by value: 1, 1.0 and 1e0 have one spelling.
std::string number_text(const Json& value) {
  if (value.is_number_float()) {
    const double number = value.get<double>();
    if (number == std::floor(number) && std::abs(number) < 9e15) {
      return fmt::format("{}", static_cast<std::int64_t>(number));
    }
    return fmt::format("{}", number);
  }
  return value.dump();
}

// Each leaf has its own path: one long key above many leaves would fill the machine.
std::string short_path(std::string path) {
  constexpr std::size_t kLongest = 256;
  return path.size() > kLongest ? sha256_hex(path) : std::move(path);
}

void collect(const Json& value, const std::string& path, std::vector<Leaf>& out) {
  if (value.is_object()) {
    for (const auto& [key, member] : value.items()) {
      collect(member, short_path(path.empty() ? key : path + "." + key), out);
    }
  } else if (value.is_array()) {
    const std::string inside = short_path(path + "[]");
    for (const Json& member : value) collect(member, inside, out);
  } else if (value.is_string()) {
    // The prefix keeps the string "1" apart from the number 1.
    out.push_back({path, "\"" + std::string(trimmed(value.get_ref<const std::string&>()))});
  } else if (value.is_number()) {
    out.push_back({path, number_text(value)});
  } else if (value.is_boolean()) {
    out.push_back({path, value.get<bool>() ? "true" : "false"});
  }
}

}  // namespace

std::optional<Json> find_json(std::string_view text) {
  text = without_thinking(text);
  if (auto whole = parsed(text)) return whole;
  if (auto fenced = parsed(inside_fence(text))) return fenced;
  std::size_t start = text.find_first_of("{[");
  for (int tries = 0; start != text.npos && tries < kMostStarts; ++tries) {
    if (const auto piece = balanced(text.substr(start)); !piece.empty()) {
      if (auto value = parsed(piece)) return value;
    }
    start = text.find_first_of("{[", start + 1);
  }
  return std::nullopt;
}

Json in_schema_order(const Json& value, const Json& schema) {
  if (value.is_array()) {
    Json out = Json::array();
    const Json none;
    const bool has_items = schema.is_object() && schema.contains("items");
    for (const Json& member : value) {
      out.push_back(in_schema_order(member, has_items ? schema["items"] : none));
    }
    return out;
  }
  if (!value.is_object()) return value;
  Json out = Json::object();
  // Keys of a value are unique: no search for duplicates needed.
  auto& members =
      static_cast<std::vector<Json::object_t::value_type>&>(out.get_ref<Json::object_t&>());
  std::unordered_set<std::string> placed;
  if (schema.is_object() && schema.contains("properties")) {
    for (const auto& [key, property] : schema["properties"].items()) {
      const auto found = value.find(key);
      if (found == value.end()) continue;
      members.emplace_back(key, in_schema_order(*found, property));
      placed.insert(key);
    }
  }
  for (const auto& [key, member] : value.items())
    if (!placed.contains(key)) members.emplace_back(key, member);
  return out;
}

bool same_value(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return number_text(a) == number_text(b);
  if (a.is_string() && b.is_string()) {
    return trimmed(a.get_ref<const std::string&>()) == trimmed(b.get_ref<const std::string&>());
  }
  if (a.is_array() && b.is_array()) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same_value);
  }
  if (!a.is_object() || !b.is_object()) return a == b;
  // In the order of their keys, each looked at once: an answer may have as many as it likes.
  const auto members = [](const Json& object) {
    std::vector<std::pair<std::string_view, const Json*>> there;
    for (const auto& [key, value] : object.items())
      if (!value.is_null()) there.emplace_back(key, &value);
    std::ranges::sort(there, {}, [](const auto& member) { return member.first; });
    return there;
  };
  return std::ranges::equal(members(a), members(b), [](const auto& one, const auto& other) {
    return one.first == other.first && same_value(*one.second, *other.second);
  });
}

std::vector<Leaf> leaves(const Json& record) {
  std::vector<Leaf> out;
  collect(record, "", out);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace limbeck
