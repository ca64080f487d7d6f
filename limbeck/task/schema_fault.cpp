// JSON Schema validation of the keywords that answers are described with.
// https://json-schema.org/draft/2020-12/json-schema-validation
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"
#include "limbeck/task/check.h"
#include "limbeck/task/json_answer.h"

namespace limbeck {
namespace {

constexpr int kDeepest = 64;

std::string fault_at(const Json& root, const Json& schema, const Json& value,
                     const std::string& path, int depth);

bool has_type(const Json& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "number") return value.is_number();
  if (type != "integer") return false;
  return value.is_number_integer() ||
         (value.is_number_float() && value.get<double>() == std::floor(value.get<double>()));
}

std::string place(const std::string& path) { return path.empty() ? "" : path + ": "; }

std::string type_fault(const Json& type, const Json& value, const std::string& path) {
  const auto fits = [&](const Json& t) {
    return t.is_string() && has_type(value, t.get<std::string>());
  };
  const bool good = type.is_array() ? std::any_of(type.begin(), type.end(), fits) : fits(type);
  if (good) return {};
  return fmt::format("{}{} is {}, not {}", place(path), to_text(value).substr(0, 80),
                     value.type_name(), to_text(type));
}

std::string enum_fault(const Json& allowed, const Json& value, const std::string& path) {
  for (const Json& option : allowed) {
    if (same_value(option, value)) return {};
  }
  return fmt::format("{}{} is not one of {}", place(path), to_text(value).substr(0, 80),
                     to_text(allowed).substr(0, 200));
}

// A numeric bound of the schema against `number`.
std::string bound_fault(const Json& schema, double number, std::string_view what,
                        const char* low_key, const char* high_key, const std::string& path) {
  const auto bound = [&](const char* key) {
    return schema.contains(key) && schema[key].is_number();
  };
  if (bound(low_key) && number < schema[low_key].get<double>()) {
    return fmt::format("{}{} {} is under {} {}", place(path), what, number, low_key,
                       schema[low_key].dump());
  }
  if (bound(high_key) && number > schema[high_key].get<double>()) {
    return fmt::format("{}{} {} is over {} {}", place(path), what, number, high_key,
                       schema[high_key].dump());
  }
  return {};
}

std::string object_fault(const Json& root, const Json& schema, const Json& value,
                         const std::string& path, int depth) {
  static const Json none = Json::object();
  const Json& properties = schema.contains("properties") ? schema["properties"] : none;
  if (schema.contains("required")) {
    for (const Json& key : schema["required"]) {
      if (key.is_string() && !value.contains(key.get<std::string>())) {
        return fmt::format("{}'{}' is missing", place(path), key.get<std::string>());
      }
    }
  }
  for (const auto& [key, member] : value.items()) {
    const std::string inner = path.empty() ? key : path + "." + key;
    const Json* rule = properties.contains(key) ? &properties[key] : nullptr;
    if (rule == nullptr && schema.contains("additionalProperties")) {
      rule = &schema["additionalProperties"];
      if (*rule == false) return fmt::format("{}there is no field '{}'", place(path), key);
    }
    if (rule == nullptr) continue;
    if (auto fault = fault_at(root, *rule, member, inner, depth + 1); !fault.empty()) return fault;
  }
  return {};
}

std::string array_fault(const Json& root, const Json& schema, const Json& value,
                        const std::string& path, int depth) {
  auto fault = bound_fault(schema, static_cast<double>(value.size()), "number of items", "minItems",
                           "maxItems", path);
  if (!fault.empty() || !schema.contains("items")) return fault;
  for (std::size_t i = 0; i < value.size(); ++i) {
    fault = fault_at(root, schema["items"], value[i], fmt::format("{}[{}]", path, i), depth + 1);
    if (!fault.empty()) return fault;
  }
  return {};
}

std::string alternatives_fault(const Json& root, const Json& schema, const Json& value,
                               const std::string& path, int depth) {
  for (const char* key : {"anyOf", "oneOf", "allOf"}) {
    if (!schema.contains(key) || !schema[key].is_array()) continue;
    std::string first;
    std::size_t fitting = 0;
    for (const Json& option : schema[key]) {
      auto fault = fault_at(root, option, value, path, depth + 1);
      fitting += fault.empty();
      if (first.empty()) first = std::move(fault);
    }
    const std::string_view rule = key;
    const bool good = rule == "anyOf"   ? fitting > 0
                      : rule == "oneOf" ? fitting == 1
                                        : fitting == schema[key].size();
    if (!good)
      return first.empty() ? fmt::format("{}fits {} of oneOf", place(path), fitting) : first;
  }
  return {};
}

const Json& target_of(const Json& root, const std::string& reference) {
  if (!reference.starts_with('#')) {
    fail(ErrorKind::unsupported, "schema: $ref '{}' points outside the schema", reference);
  }
  try {
    return root.at(Json::json_pointer(reference.substr(1)));
  } catch (const Json::exception&) {
    fail(ErrorKind::usage, "schema: $ref '{}' points to nothing", reference);
  }
}

std::string fault_at(const Json& root, const Json& schema, const Json& value,
                     const std::string& path, int depth) {
  if (depth > kDeepest) fail(ErrorKind::format, "schema: deeper than {} levels", kDeepest);
  if (schema == false) return place(path) + "nothing is allowed here";
  if (!schema.is_object()) return {};
  if (schema.contains("$ref") && schema["$ref"].is_string()) {
    return fault_at(root, target_of(root, schema["$ref"].get<std::string>()), value, path,
                    depth + 1);
  }
  std::string fault;
  if (schema.contains("type")) fault = type_fault(schema["type"], value, path);
  if (fault.empty() && schema.contains("enum")) fault = enum_fault(schema["enum"], value, path);
  if (fault.empty() && schema.contains("const")) {
    fault = enum_fault(Json::array({schema["const"]}), value, path);
  }
  if (fault.empty() && value.is_number()) {
    fault = bound_fault(schema, value.get<double>(), "value", "minimum", "maximum", path);
  }
  if (fault.empty() && value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    std::size_t n = 0;
    for (std::size_t i = 0; i < text.size(); ++n) i += code_point_at(text, i).bytes;
    fault = bound_fault(schema, static_cast<double>(n), "length", "minLength", "maxLength", path);
  }
  if (fault.empty() && value.is_array()) fault = array_fault(root, schema, value, path, depth);
  if (fault.empty() && value.is_object()) fault = object_fault(root, schema, value, path, depth);
  return fault.empty() ? alternatives_fault(root, schema, value, path, depth) : fault;
}

}  // namespace

std::string schema_fault(const Json& schema, const Json& value) {
  return fault_at(schema, schema, value, "", 0);
}

}  // namespace limbeck
