// The one exception type for anything a user, a file or the machine can cause.
// Bugs are not Errors: they use LIMBECK_ASSERT, which stops a debug build.
#pragma once

#include <fmt/core.h>

#include <cassert>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#define LIMBECK_ASSERT(condition) assert(condition)

namespace limbeck {

// Each kind is one exit code of the program (see exit_code).
enum class ErrorKind {
  usage,        // bad option, argument, recipe or task file; a path that does not exist: 2
  format,       // the bytes of a file are not what its format allows, or hostile: 3
  unsupported,  // valid, but this program cannot do it: 3
  numeric,      // NaN or infinity where a number is needed, divergence: 3
  quality,      // a quality gate failed (teacher below its threshold): 4
  io,           // disk, memory, port, permission: 5
  network,      // teacher endpoint or network: 6
  interrupted,  // stopped, and resumable: 7
};

// The names are part of the JSON interface: {"error": {"kind": ...}}.
std::string_view name(ErrorKind kind) noexcept;
int exit_code(ErrorKind kind) noexcept;

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  ErrorKind kind() const noexcept { return kind_; }
  // file:line, stage, field; or empty
  const std::string& where() const noexcept { return text(where_); }
  // What the user can do; or empty.
  const std::string& remedy() const noexcept { return text(remedy_); }

  Error& at(std::string where) {
    where_ = std::make_shared<const std::string>(std::move(where));
    return *this;
  }
  Error& try_this(std::string remedy) {
    remedy_ = std::make_shared<const std::string>(std::move(remedy));
    return *this;
  }

 private:
  // Shared, so that a copy needs no memory: one is made while another thread waits for the error.
  using Text = std::shared_ptr<const std::string>;

  static const std::string& text(const Text& text) noexcept {
    static const std::string none;
    return text ? *text : none;
  }

  ErrorKind kind_;
  Text where_, remedy_;
};

// Throws Error. Say what was found, what was expected, and in which file or field.
template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> message, Args&&... args) {
  throw Error(kind, fmt::format(message, std::forward<Args>(args)...));
}

// As fail, with the remedy as a second sentence of its own: printed on the line "try: ...".
template <typename... Args>
[[noreturn]] void fail_try(ErrorKind kind, std::string remedy, fmt::format_string<Args...> message,
                           Args&&... args) {
  throw Error(kind, fmt::format(message, std::forward<Args>(args)...)).try_this(std::move(remedy));
}

}  // namespace limbeck
