#include "limbeck/text/schema_validator.h"

#include <algorithm>
#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/text/format_pattern.h"
#include "limbeck/text/json_pointer.h"
#include "limbeck/text/pattern.h"

namespace limbeck {
namespace {

constexpr std::size_t kDepth = 200;        // of schemas within schemas, $ref included
constexpr std::size_t kSteps = 1'000'000;  // schemas applied to values, in all

using Why = std::optional<std::string>;

bool is_integer(const Json& value) {
  return value.is_number_integer() ||
         (value.is_number_float() && std::floor(value.get<double>()) == value.get<double>());
}

bool has_type(const Json& value, std::string_view type) {
  if (type == "integer") return is_integer(value);
  if (type == "number") return value.is_number();
  if (type == "string") return value.is_string();
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  fail(ErrorKind::format, "schema: unknown type '{}'", type);
}

std::size_t points(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

class Validator {
 public:
  explicit Validator(const Json& root) : root_(root) {}

  Why check(const Json& schema, const Json& value, const std::string& at, std::size_t depth) {
    if (depth > kDepth || ++steps_ > kSteps)
      fail(ErrorKind::format, "schema: it nests too deeply or its $ref never ends (at '{}')", at);
    if (schema.is_boolean())
      return schema.get<bool>() ? Why() : wrong(at, "nothing is allowed here");
    if (!schema.is_object())
      fail(ErrorKind::format, "schema: expected an object or a boolean, found {}",
           schema.type_name());
    refuse_unsupported(schema);
    if (const Json* nullable = find(schema, "nullable");
        nullable && *nullable == Json(true) && value.is_null())
      return {};
    using Check = Why (Validator::*)(const Json&, const Json&, const std::string&, std::size_t);
    constexpr Check kChecks[] = {&Validator::check_reference, &Validator::check_values,
                                 &Validator::check_number,    &Validator::check_string,
                                 &Validator::check_array,     &Validator::check_object,
                                 &Validator::check_combined};
    for (const Check one : kChecks)
      if (Why why = (this->*one)(schema, value, at, depth + 1)) return why;
    return {};
  }

 private:
  static Why wrong(const std::string& at, std::string_view what) {
    return fmt::format("{}: {}", at.empty() ? "the value" : at, what);
  }
  static const Json* find(const Json& schema, const char* key) {
    const auto found = schema.find(key);
    return found == schema.end() ? nullptr : &*found;
  }
  static std::size_t count(const Json& schema, const char* key, std::size_t fallback) {
    const Json* found = find(schema, key);
    if (!found) return fallback;
    if (!is_integer(*found) || found->get<double>() < 0)
      fail(ErrorKind::format, "schema: {} must be a count", key);
    return static_cast<std::size_t>(found->get<double>());
  }
  static const Json& list(const Json& value, const char* key) {
    if (!value.is_array()) fail(ErrorKind::format, "schema: {} must be a list", key);
    return value;
  }
  static void refuse_unsupported(const Json& schema) {
    for (const char* key : {"$dynamicRef", "$recursiveRef", "unevaluatedItems",
                            "unevaluatedProperties", "dependencies"})
      if (find(schema, key))
        fail(ErrorKind::unsupported, "schema: the keyword '{}' is not supported", key);
  }

  Why check_reference(const Json& schema, const Json& value, const std::string& at,
                      std::size_t depth) {
    const Json* ref = find(schema, "$ref");
    if (!ref) return {};
    if (!ref->is_string()) fail(ErrorKind::format, "schema: $ref must be a string");
    const std::string name = ref->get<std::string>();
    const Json* target = resolve_local_ref(root_, name);
    if (!target) fail(ErrorKind::format, "schema: $ref '{}' names nothing", name);
    return check(*target, value, at, depth);
  }

  Why check_values(const Json& schema, const Json& value, const std::string& at, std::size_t) {
    if (const Json* type = find(schema, "type")) {
      const Json types = type->is_array() ? *type : Json::array({*type});
      bool good = false;
      for (const Json& one : types) {
        if (!one.is_string()) fail(ErrorKind::format, "schema: type must be a name");
        good = good || has_type(value, one.get_ref<const std::string&>());
      }
      if (!good)
        return wrong(at, fmt::format("expected {}, found {}", to_text(*type), value.type_name()));
    }
    if (const Json* fixed = find(schema, "const"); fixed && !json_equal(*fixed, value))
      return wrong(at, fmt::format("expected {}", to_text(*fixed)));
    if (const Json* allowed = find(schema, "enum")) {
      list(*allowed, "enum");
      if (std::none_of(allowed->begin(), allowed->end(),
                       [&](const Json& one) { return json_equal(one, value); }))
        return wrong(at, fmt::format("{} is not one of the {} allowed values",
                                     to_text(value).substr(0, 60), allowed->size()));
    }
    return {};
  }

  Why check_number(const Json& schema, const Json& value, const std::string& at, std::size_t) {
    if (!value.is_number()) return {};
    const auto bound = [&](const char* key, auto holds) -> Why {
      const Json* limit = find(schema, key);
      if (!limit) return {};
      if (!limit->is_number()) fail(ErrorKind::format, "schema: {} must be a number", key);
      return holds(*limit)
                 ? Why()
                 : wrong(at, fmt::format("{} breaks {} {}", to_text(value), key, to_text(*limit)));
    };
    // nlohmann compares integers of both signs and doubles by value.
    if (Why why = bound("minimum", [&](const Json& x) { return !(value < x); })) return why;
    if (Why why = bound("maximum", [&](const Json& x) { return !(x < value); })) return why;
    if (Why why = bound("exclusiveMinimum", [&](const Json& x) { return x < value; })) return why;
    if (Why why = bound("exclusiveMaximum", [&](const Json& x) { return value < x; })) return why;
    return bound("multipleOf", [&](const Json& x) {
      const double step = x.get<double>();
      if (!(step > 0)) fail(ErrorKind::format, "schema: multipleOf must be above 0");
      const double ratio = value.get<double>() / step;
      return std::isfinite(ratio)
                 ? std::fabs(ratio - std::round(ratio)) <= 1e-9 * std::max(1.0, std::fabs(ratio))
                 : std::fmod(value.get<double>(), step) == 0;
    });
  }

  Why check_string(const Json& schema, const Json& value, const std::string& at, std::size_t) {
    if (!value.is_string()) return {};
    const auto& text = value.get_ref<const std::string&>();
    if (points(text) < count(schema, "minLength", 0)) return wrong(at, "the text is too short");
    if (points(text) > count(schema, "maxLength", SIZE_MAX))
      return wrong(at, "the text is too long");
    if (const Json* pattern = find(schema, "pattern")) {
      if (!pattern->is_string()) fail(ErrorKind::format, "schema: pattern must be a string");
      const auto& source = pattern->get_ref<const std::string&>();
      if (!compile_pattern(source, "schema").accepts(text))
        return wrong(at, fmt::format("the text does not match {}", source));
    }
    if (const Json* format = find(schema, "format"); format && format->is_string()) {
      const auto& name = format->get_ref<const std::string&>();
      const std::string_view source = format_pattern(name);
      if (!source.empty() && !compile_pattern(source, "schema").accepts(text))
        return wrong(at, fmt::format("the text is not a {}", name));
    }
    return {};
  }

  Why check_array(const Json& schema, const Json& value, const std::string& at, std::size_t depth) {
    if (!value.is_array()) return {};
    if (value.size() < count(schema, "minItems", 0)) return wrong(at, "too few items");
    if (value.size() > count(schema, "maxItems", SIZE_MAX)) return wrong(at, "too many items");
    if (const Json* unique = find(schema, "uniqueItems"); unique && *unique == true)
      for (std::size_t i = 0; i < value.size(); ++i)
        for (std::size_t j = 0; j < i; ++j) {
          if (++steps_ > kSteps) fail(ErrorKind::format, "schema: too many items to compare");
          if (json_equal(value[i], value[j]))
            return wrong(at, fmt::format("items {} and {} are equal", j, i));
        }
    const Json* prefix = find(schema, "prefixItems");
    const Json* items = find(schema, "items");
    if (!prefix && items && items->is_array()) {  // before draft 2020-12
      prefix = items;
      items = find(schema, "additionalItems");
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      const bool fixed = prefix && i < list(*prefix, "prefixItems").size();
      const Json* one = fixed ? &(*prefix)[i] : items;
      if (!one) continue;
      if (Why why = check(*one, value[i], pointer_step(at, std::to_string(i)), depth)) return why;
    }
    return check_contains(schema, value, at, depth);
  }

  Why check_contains(const Json& schema, const Json& value, const std::string& at,
                     std::size_t depth) {
    const Json* wanted = find(schema, "contains");
    if (!wanted) return {};
    std::size_t n = 0;
    for (const Json& item : value) n += !check(*wanted, item, at, depth);
    if (n < count(schema, "minContains", 1) || n > count(schema, "maxContains", SIZE_MAX))
      return wrong(at, fmt::format("{} items fit 'contains'", n));
    return {};
  }

  Why check_object(const Json& schema, const Json& value, const std::string& at,
                   std::size_t depth) {
    if (!value.is_object()) return {};
    if (value.size() < count(schema, "minProperties", 0)) return wrong(at, "too few properties");
    if (value.size() > count(schema, "maxProperties", SIZE_MAX))
      return wrong(at, "too many properties");
    const auto requires_all = [&](const Json& names) -> Why {
      for (const Json& name : list(names, "required")) {
        if (!name.is_string()) fail(ErrorKind::format, "schema: required must list names");
        if (!value.contains(name.get_ref<const std::string&>()))
          return wrong(at, fmt::format("the property '{}' is missing", name.get<std::string>()));
      }
      return {};
    };
    if (const Json* required = find(schema, "required"))
      if (Why why = requires_all(*required)) return why;
    if (const Json* dependent = find(schema, "dependentRequired"))
      for (const auto& [key, names] : dependent->items())
        if (value.contains(key))
          if (Why why = requires_all(names)) return why;
    if (const Json* dependent = find(schema, "dependentSchemas"))
      for (const auto& [key, other] : dependent->items())
        if (value.contains(key))
          if (Why why = check(other, value, at, depth)) return why;
    for (const auto& [key, item] : value.items())
      if (Why why = check_property(schema, key, item, pointer_step(at, key), depth)) return why;
    return {};
  }

  Why check_property(const Json& schema, const std::string& key, const Json& item,
                     const std::string& at, std::size_t depth) {
    if (const Json* names = find(schema, "propertyNames"))
      if (Why why = check(*names, Json(key), at, depth)) return why;
    bool known = false;
    if (const Json* properties = find(schema, "properties"))
      if (const Json* one = find(*properties, key.c_str()); one && properties->contains(key)) {
        known = true;
        if (Why why = check((*properties)[key], item, at, depth)) return why;
      }
    if (const Json* patterns = find(schema, "patternProperties"))
      for (const auto& [pattern, one] : patterns->items())
        if (compile_pattern(pattern, "schema").accepts(key)) {
          known = true;
          if (Why why = check(one, item, at, depth)) return why;
        }
    const Json* additional = find(schema, "additionalProperties");
    if (known || !additional) return {};
    if (additional->is_boolean() && !additional->get<bool>())
      return wrong(at, "the property is not in the schema");
    return check(*additional, item, at, depth);
  }

  Why check_combined(const Json& schema, const Json& value, const std::string& at,
                     std::size_t depth) {
    const auto passing = [&](const Json& schemas, const char* key) {
      std::size_t n = 0;
      for (const Json& one : list(schemas, key)) n += !check(one, value, at, depth);
      return n;
    };
    if (const Json* all = find(schema, "allOf"))
      for (const Json& one : list(*all, "allOf"))
        if (Why why = check(one, value, at, depth)) return why;
    if (const Json* any = find(schema, "anyOf"); any && passing(*any, "anyOf") == 0)
      return wrong(at, "no alternative of anyOf fits");
    if (const Json* one = find(schema, "oneOf"))
      if (const std::size_t n = passing(*one, "oneOf"); n != 1)
        return wrong(at, fmt::format("{} alternatives of oneOf fit, not one", n));
    if (const Json* never = find(schema, "not"); never && !check(*never, value, at, depth))
      return wrong(at, "the schema under 'not' fits");
    if (const Json* condition = find(schema, "if")) {
      const bool holds = !check(*condition, value, at, depth);
      if (const Json* then = find(schema, holds ? "then" : "else"))
        return check(*then, value, at, depth);
    }
    return {};
  }

  const Json& root_;
  std::size_t steps_ = 0;
};

}  // namespace

std::optional<std::string> validate_json(const Json& schema, const Json& value) {
  return validate_json(schema, value, schema);
}

std::optional<std::string> validate_json(const Json& schema, const Json& value, const Json& root) {
  return Validator(root).check(schema, value, "", 0);
}

}  // namespace limbeck
