#include "limbeck/text/schema_merge.h"

#include <algorithm>
#include <array>

#include "limbeck/base/error.h"
#include "limbeck/text/format_pattern.h"
#include "limbeck/text/json_pointer.h"

namespace limbeck {
namespace {

constexpr std::array kAnnotations = {
    "title",           "description", "default",     "examples",
    "example",         "deprecated",  "readOnly",    "writeOnly",
    "$schema",         "$id",         "$comment",    "$defs",
    "$anchor",         "definitions", "$vocabulary", "contentMediaType",
    "contentEncoding", "strict"};

bool is_annotation(std::string_view key) {
  return std::find(kAnnotations.begin(), kAnnotations.end(), key) != kAnnotations.end();
}

Json joined(const Json& a, const Json& b) {
  if (a == b || b == Json(true)) return a;
  if (a == Json(true)) return b;
  if (a == Json(false) || b == Json(false)) return false;
  return {{"allOf", Json::array({a, b})}};
}

Json joined_types(const Json& a, const Json& b) {
  const Json left = a.is_array() ? a : Json::array({a}),
             right = b.is_array() ? b : Json::array({b});
  const auto has = [](const Json& list, const Json& type) {
    return std::find(list.begin(), list.end(), type) != list.end();
  };
  Json both = Json::array();
  for (const Json& type : left) {
    if (has(right, type) || (type == "integer" && has(right, "number"))) both.push_back(type);
    if (type == "number" && !has(right, type) && has(right, "integer")) both.push_back("integer");
  }
  return both;
}

Json joined_enums(const Json& a, const Json& b) {
  Json both = Json::array();
  for (const Json& one : a)
    if (std::any_of(b.begin(), b.end(), [&](const Json& other) { return json_equal(one, other); }))
      both.push_back(one);
  return both;
}

// `properties` of a and b; where one names what the other does not, the other's
// additionalProperties apply.
Json joined_properties(const Json& a, const Json& b) {
  const Json none = Json::object();
  const auto part = [&](const Json& schema, const char* key, const Json& fallback) {
    const auto found = schema.find(key);
    return found == schema.end() ? fallback : *found;
  };
  const Json left = part(a, "properties", none), right = part(b, "properties", none);
  const Json left_rest = part(a, "additionalProperties", true);
  const Json right_rest = part(b, "additionalProperties", true);
  Json both = Json::object();
  for (const auto& [key, schema] : left.items())
    both[key] = joined(schema, right.contains(key) ? right[key] : right_rest);
  for (const auto& [key, schema] : right.items())
    if (!left.contains(key)) both[key] = joined(left_rest, schema);
  return both;
}

// Whatever else stands there says nothing.
bool may_be_null(const Json& schema) {
  const auto found = schema.find("nullable");
  return found != schema.end() && *found == Json(true);
}

void check_list(const Json& value, const std::string& key, const std::string& where) {
  if (!value.is_array()) fail(ErrorKind::format, "schema at '{}': {} must be a list", where, key);
}

bool same_pattern_twice(const std::string& key, const Json& a, const Json& b) {
  if (a == b) return true;
  return key == "format" && (!b.is_string() || format_pattern(b.get<std::string>()).empty());
}

}  // namespace

bool says_more_than(const Json& schema, std::string_view key) {
  for (const auto& item : schema.items())
    if (item.key() != key && !is_annotation(item.key())) return true;
  return false;
}

Json merge_schemas(const Json& a, const Json& b, const std::string& where) {
  if (!a.is_object() || !b.is_object()) return joined(a, b);
  Json both = a;
  const bool objects = a.contains("properties") || b.contains("properties");
  if (objects) both["properties"] = joined_properties(a, b);
  both.erase("nullable");
  if (may_be_null(a) && may_be_null(b)) both["nullable"] = true;
  for (const auto& item : b.items()) {
    const std::string& key = item.key();
    const Json& value = item.value();
    if (key == "properties" || key == "nullable" || is_annotation(key)) continue;
    if (!a.contains(key)) {
      both[key] = value;
      continue;
    }
    Json& mine = both[key];
    const auto larger = [&] {
      mine = std::max(mine, value, [](auto& x, auto& y) { return x < y; });
    };
    const auto smaller = [&] {
      mine = std::min(mine, value, [](auto& x, auto& y) { return x < y; });
    };
    if (key == "type") {
      mine = joined_types(mine, value);
    } else if (key == "enum") {
      mine = joined_enums(mine, value);
    } else if (key == "const") {
      if (!json_equal(mine, value)) both["enum"] = Json::array();
    } else if (key == "$ref") {
      if (mine == value) continue;
      Json& all = both.emplace("allOf", Json::array()).first.value();
      check_list(all, "allOf", where);
      all.push_back({{"$ref", value}});
    } else if (key == "required" || key == "allOf") {
      check_list(mine, key, where);
      check_list(value, key, where);
      mine.insert(mine.end(), value.begin(), value.end());
    } else if (key == "additionalProperties" || key == "items") {
      mine = joined(mine, value);
    } else if (key.starts_with("min") || key == "exclusiveMinimum") {
      larger();
    } else if (key.starts_with("max") || key == "exclusiveMaximum") {
      smaller();
    } else if (key == "anyOf" || key == "oneOf") {
      for (Json& alternative : mine) alternative = joined(alternative, {{key, value}});
    } else if (!same_pattern_twice(key, mine, value)) {
      fail(ErrorKind::unsupported, "schema at '{}': '{}' twice with different values", where, key);
    }
  }
  if (both.contains("prefixItems") && (a.contains("prefixItems") ? b : a).contains("items"))
    fail(ErrorKind::unsupported, "schema at '{}': prefixItems and items from two schemas", where);
  return both;
}

}  // namespace limbeck
