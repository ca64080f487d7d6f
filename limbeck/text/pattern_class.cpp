#include "limbeck/text/pattern_class.h"

#include <algorithm>
#include <optional>

namespace limbeck {
namespace {

// The class that \d, \w, \s and their capitals stand for (ECMA-262).
std::optional<PointRanges> escape_class(std::uint32_t letter) {
  const PointRanges digits = {{'0', '9'}}, word = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
                    space = {{9, 13},          {' ', ' '},       {0xa0, 0xa0},     {0x1680, 0x1680},
                             {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f},
                             {0x3000, 0x3000}, {0xfeff, 0xfeff}};
  switch (letter) {
    case 'd':
      return digits;
    case 'D':
      return inverted(digits);
    case 'w':
      return word;
    case 'W':
      return inverted(word);
    case 's':
      return space;
    case 'S':
      return inverted(space);
    default:
      return std::nullopt;
  }
}

class ClassReader {
 public:
  explicit ClassReader(PatternCursor& cursor) : c_(cursor) {}

  // Behind a backslash.
  PointRanges escape(bool in_class) {
    const std::uint32_t c = c_.take_point();
    if (const auto known = escape_class(c)) return *known;
    const auto one = [](std::uint32_t p) { return PointRanges{{p, p}}; };
    switch (c) {
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 't':
        return one('\t');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case '0':
        return one(0);
      case 'x':
        return one(hex(2));
      case 'u':
        return one(c_.skip("{") ? braced_hex() : hex(4));
      case 'c': {
        const std::uint32_t letter = c_.take_point();
        if (!((letter | 0x20) >= 'a' && (letter | 0x20) <= 'z')) c_.error("bad control escape");
        return one(letter & 31);
      }
      case 'b':
        if (in_class) return one('\b');
        c_.unsupported("\\b");
      case 'B':
        c_.unsupported("\\B");
      case 'p':
      case 'P':
        c_.unsupported("\\p");
      case 'k':
        c_.unsupported("a back reference");
      default:
        break;
    }
    if (c >= '1' && c <= '9') c_.unsupported("a back reference");
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) c_.error("an unknown escape");
    return one(c);
  }

  PointRanges char_class() {
    const bool negated = c_.skip("^");
    PointRanges ranges;
    while (!c_.skip("]")) {
      const PointRanges first = class_part();
      if (c_.source.substr(c_.at, 1) == "-" && c_.source.substr(c_.at, 2) != "-]") {
        ++c_.at;
        const PointRanges last = class_part();
        const bool single = first.size() == 1 && first[0].low == first[0].high &&
                            last.size() == 1 && last[0].low == last[0].high &&
                            first[0].low <= last[0].low;
        if (!single) c_.error("a bad range in a class");
        ranges.push_back({first[0].low, last[0].low});
      } else {
        ranges.insert(ranges.end(), first.begin(), first.end());
      }
    }
    return negated ? inverted(ranges) : ranges;
  }

 private:
  std::uint32_t hex(std::size_t digits) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i) value = value * 16 + hex_digit();
    if (value >= 0xd800 && value < 0xdc00 && c_.skip("\\u")) {
      const std::uint32_t low = hex(4);
      if (low < 0xdc00 || low > 0xdfff) c_.error("a surrogate without its partner");
      return 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
    }
    return value;
  }
  std::uint32_t braced_hex() {
    std::uint32_t value = 0;
    while (!c_.skip("}")) {
      value = value * 16 + hex_digit();
      if (value > kLastPoint) c_.error("no such character");
    }
    return value;
  }
  std::uint32_t hex_digit() {
    const std::uint32_t c = c_.take_point();
    if (c >= '0' && c <= '9') return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') return (c | 0x20) - 'a' + 10;
    c_.error("bad hexadecimal escape");
  }

  PointRanges class_part() {
    if (!c_.more()) c_.error("a class is never closed");
    if (c_.skip("\\")) return escape(true);
    const std::uint32_t point = c_.take_point();
    return {{point, point}};
  }

  PatternCursor& c_;
};

}  // namespace

PointRanges sorted(PointRanges ranges) {
  std::sort(ranges.begin(), ranges.end(), [](auto a, auto b) { return a.low < b.low; });
  PointRanges merged;
  for (const PointRange& r : ranges) {
    if (!merged.empty() && r.low <= merged.back().high + 1)
      merged.back().high = std::max(merged.back().high, r.high);
    else
      merged.push_back(r);
  }
  return merged;
}

PointRanges inverted(const PointRanges& ranges) {
  PointRanges result;
  std::uint32_t next = 0;
  for (const PointRange& r : sorted(ranges)) {
    if (r.low > next) result.push_back({next, r.low - 1});
    next = r.high + 1;
  }
  if (next <= kLastPoint) result.push_back({next, kLastPoint});
  return result;
}

PointRanges read_escape(PatternCursor& cursor) { return ClassReader(cursor).escape(false); }

PointRanges read_class(PatternCursor& cursor) { return ClassReader(cursor).char_class(); }

}  // namespace limbeck
