// Sets of characters in a JSON Schema pattern: escapes and [...] of ECMA-262.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/pattern.h"

namespace limbeck {

inline constexpr std::uint32_t kLastPoint = 0x10ffff;

// A place in a pattern that is read, and its errors.
struct PatternCursor {
  std::string_view source, origin;  // UTF-8; where it comes from
  std::size_t at = 0;

  bool more() const { return at < source.size(); }
  bool skip(std::string_view text) {
    if (source.substr(at, text.size()) != text) return false;
    at += text.size();
    return true;
  }
  std::uint32_t take_point() {
    if (!more()) error("it ends too early");
    const CodePoint point = code_point_at(source, at);
    at += point.bytes;
    return point.value;
  }

  [[noreturn]] void error(std::string_view why) const {
    fail(ErrorKind::format, "{}: bad pattern '{}' at byte {}: {}", origin, source.substr(0, 80), at,
         why);
  }
  [[noreturn]] void unsupported(std::string_view what) const {
    fail(ErrorKind::unsupported, "{}: pattern '{}': {} is not supported", origin,
         source.substr(0, 80), what);
  }
};

using PointRanges = std::vector<PointRange>;
PointRanges sorted(PointRanges ranges);  // by their ends, without overlaps
PointRanges inverted(const PointRanges& ranges);

// Behind a backslash, outside of a class; moves past the escape. Throws as compile_pattern, and so
// does read_class.
PointRanges read_escape(PatternCursor& cursor);
// Behind a '['; moves past the class.
PointRanges read_class(PatternCursor& cursor);

}  // namespace limbeck
