// A place in a pattern that is read, and its errors.
#pragma once

#include <cstddef>
#include <string_view>

#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"

namespace limbeck::regex {

struct Cursor {
  std::string_view in;      // UTF-8
  std::string_view origin;  // of the pattern, for errors
  std::size_t at = 0;

  bool done() const { return at >= in.size(); }
  bool next_is(std::string_view text) const { return in.substr(at).starts_with(text); }
  char peek(std::size_t ahead = 0) const { return at + ahead < in.size() ? in[at + ahead] : '\0'; }
  std::string_view character() {
    const std::size_t n = code_point_at(in, at).bytes;
    at += n;
    return in.substr(at - n, n);
  }

  [[noreturn]] void bad(std::string_view why) const {
    fail(ErrorKind::format, "{}: pattern '{}', at byte {}: {}", origin, in, at, why);
  }
  [[noreturn]] void unsupported(std::string_view what) const {
    fail(ErrorKind::unsupported, "{}: pattern '{}', at byte {}: {} is not supported", origin, in,
         at, what);
  }
};

}  // namespace limbeck::regex
