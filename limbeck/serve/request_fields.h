// The fields of a request's JSON object, with ranges; errors name the field.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "limbeck/serve/api_error.h"

namespace limbeck::serve {

class RequestFields {
 public:
  // `object` must outlive this.
  explicit RequestFields(const Json& object) : object_(object) {
    if (!object.is_object()) throw ApiError(400, "", "the request must be a JSON object");
  }

  // nullptr where it is missing or null.
  const Json* find(const char* name) const {
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  const Json& required(const char* name) const {
    const Json* value = find(name);
    if (!value) refuse(name, "is required");
    return *value;
  }

  std::int64_t integer(const char* name, std::int64_t fallback, std::int64_t low,
                       std::int64_t high) const {
    const Json* value = find(name);
    if (!value) return fallback;
    const bool whole =
        value->is_number_integer() ||
        (value->is_number_float() && std::floor(value->get<double>()) == value->get<double>() &&
         std::abs(value->get<double>()) < 9e15);
    if (!whole) refuse(name, "must be a whole number, not {}", shown(*value));
    if (value->is_number_unsigned() && value->get<std::uint64_t>() > std::uint64_t{1} << 62) {
      refuse(name, "must be in [{}, {}], not {}", low, high, shown(*value));
    }
    const std::int64_t number = value->is_number_integer()
                                    ? value->get<std::int64_t>()
                                    : static_cast<std::int64_t>(value->get<double>());
    if (number < low || number > high) {
      refuse(name, "must be in [{}, {}], not {}", low, high, number);
    }
    return number;
  }

  double number(const char* name, double fallback, double low, double high) const {
    const Json* value = find(name);
    if (!value) return fallback;
    if (!value->is_number()) refuse(name, "must be a number, not {}", shown(*value));
    const double x = value->get<double>();
    if (!(x >= low && x <= high)) refuse(name, "must be in [{}, {}], not {}", low, high, x);
    return x;
  }

  bool flag(const char* name, bool fallback) const {
    const Json* value = find(name);
    if (!value) return fallback;
    if (!value->is_boolean()) refuse(name, "must be true or false, not {}", shown(*value));
    return value->get<bool>();
  }

  std::string text(const char* name, std::string fallback, std::size_t most_bytes) const {
    const Json* value = find(name);
    if (!value) return fallback;
    if (!value->is_string()) refuse(name, "must be a string, not {}", shown(*value));
    const auto& found = value->get_ref<const std::string&>();
    if (found.size() > most_bytes) {
      refuse(name, "has {} bytes, the limit is {}", found.size(), most_bytes);
    }
    return found;
  }

  // For messages: short, whatever it is.
  static std::string shown(const Json& value) {
    const std::string text = limbeck::to_text(value);
    return text.size() <= 60 ? text : text.substr(0, 57) + "...";
  }

 private:
  const Json& object_;
};

}  // namespace limbeck::serve
