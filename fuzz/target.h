// What every target here holds a parser to: any bytes give a value or an Error of a kind that
// blames them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include "limbeck/base/error.h"

namespace limbeck::fuzz {

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}
inline std::span<const std::byte> as_bytes(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}

// A property that must hold whatever was parsed.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

template <typename Parse>
int value_or_error(const Parse& parse) {
  try {
    parse();
  } catch (const Error& error) {
    const ErrorKind kind = error.kind();
    require(kind == ErrorKind::format || kind == ErrorKind::unsupported ||
                kind == ErrorKind::numeric || kind == ErrorKind::usage,
            "the error's kind");
  }
  return 0;
}

}  // namespace limbeck::fuzz
