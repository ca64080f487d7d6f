// Finding, ordering and comparing the JSON of answers.
#include "limbeck/task/json_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "limbeck/base/error.h"
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

void collect(const Json& value, const std::string& path, std::vector<Leaf>& out) {
  if (value.is_object()) {
    for (const auto& [key, member] : value.items()) {
      collect(member, path.empty() ? key : path + "." + key, out);
    }
  } else if (value.is_array()) {
    for (const Json& member : value) collect(member, path + "[]", out);
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
  const bool ordered = schema.is_object() && schema.contains("properties");
  if (ordered) {
    for (const auto& [key, property] : schema["properties"].items()) {
      if (value.contains(key)) out[key] = in_schema_order(value[key], property);
    }
  }
  for (const auto& [key, member] : value.items()) {
    if (!out.contains(key)) out[key] = member;
  }
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
  const auto covered = [](const Json& one, const Json& other) {
    return std::all_of(one.items().begin(), one.items().end(), [&](const auto& item) {
      if (item.value().is_null()) return !other.contains(item.key()) || other[item.key()].is_null();
      return other.contains(item.key()) && same_value(item.value(), other[item.key()]);
    });
  };
  return covered(a, b) && covered(b, a);
}

std::vector<Leaf> leaves(const Json& record) {
  std::vector<Leaf> out;
  collect(record, "", out);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace limbeck
