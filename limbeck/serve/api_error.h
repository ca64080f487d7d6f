// What a client is told when its request cannot be answered: OpenAI's shape of errors.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "limbeck/base/json.h"

namespace limbeck::serve {

// `status` is the HTTP status; `param` the field that is to blame, or empty.
class ApiError : public std::runtime_error {
 public:
  ApiError(int status, std::string param, const std::string& message)
      : std::runtime_error(message), status_(status), param_(std::move(param)) {}

  int status() const noexcept { return status_; }
  const std::string& param() const noexcept { return param_; }

  // {"error": {"message", "type", "param", "code"}}
  Json to_json() const;

 private:
  int status_;
  std::string param_;
};

// Status 400 about one field.
template <typename... Args>
[[noreturn]] void refuse(std::string param, fmt::format_string<Args...> message, Args&&... args) {
  const std::string text = param + ": " + fmt::format(message, std::forward<Args>(args)...);
  throw ApiError(400, std::move(param), text);
}

}  // namespace limbeck::serve
