#include "limbeck/text/regex_class.h"

#include <array>
#include <cctype>
#include <cstdint>
#include <utility>

#include "limbeck/text/regex_names.h"

namespace limbeck::regex {
namespace {

class ClassReader {
 public:
  explicit ClassReader(Cursor& cursor) : c_(cursor) {}

  // \s, \p{L}, \n, \., ...: one member of `set`.
  void add_escape(CharacterSet& set) {
    const char c = c_.peek(1);
    const auto both = [&](std::string_view members) {
      c_.at += 2;
      if (c >= 'a') {
        set.members += members;
      } else {
        set.others.push_back("[^" + std::string(members) + "]");
      }
    };
    switch (c) {
      case '\0':
        c_.bad("a backslash at the end");
      case 's':
      case 'S':
        return both("\\p{White_Space}");
      case 'd':
      case 'D':
        return both("\\p{Nd}");
      case 'w':
      case 'W':
        return both(kWord);
      case 'h':
      case 'H':
        return both(kHex);
      case 'p':
      case 'P':
        return add_property(set);
      default:
        add_code_point(set.members, escaped_code_point());
    }
  }

  // [...], with nested classes, posix names, ranges and intersections (&&); moves past it.
  std::string character_class(int depth = 0) {
    if (depth > kMaxDepth) c_.bad("classes nest too deep");
    ++c_.at;
    const bool negated = c_.peek() == '^';
    if (negated) ++c_.at;
    std::string left;  // of &&
    CharacterSet set;
    for (bool first = true;; first = false) {
      if (c_.done()) c_.bad("a class is not closed");
      if (c_.peek() == ']' && !first) break;
      if (c_.next_is("&&")) {
        c_.at += 2;
        left += "(?=" + set.expression(false) + ")";
        set = {};
      } else if (c_.next_is("[:")) {
        add_posix(set);
      } else if (c_.peek() == '[') {
        set.others.push_back(character_class(depth + 1));
      } else {
        add_member(set);
      }
    }
    ++c_.at;
    if (left.empty()) return set.expression(negated);
    const std::string all = left + set.expression(false);
    return negated ? "(?:(?!" + all + ")(?s:.))" : "(?:" + all + ")";
  }

 private:
  void add_property(CharacterSet& set) {
    const bool negated = c_.peek(1) == 'P';
    const auto end = c_.in.find('}', c_.at);
    if (c_.peek(2) != '{' || end == c_.in.npos) c_.bad("\\p needs {a name}");
    std::string_view given = c_.in.substr(c_.at + 3, end - c_.at - 3);
    const bool caret = given.starts_with('^');
    if (caret) given.remove_prefix(1);
    std::string key;
    for (const char c : given) {
      if (c == ' ' || c == '-' || c == '_') continue;
      if (!std::isalnum(static_cast<unsigned char>(c)))
        c_.bad("a property name with odd characters");
      key += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    c_.at = end + 1;
    const auto* known = find(kProperties, key);
    const auto* posix = known ? nullptr : find(kPosix, key);
    const std::string members =
        posix ? std::string(*posix) : "\\p{" + std::string(known ? *known : given) + "}";
    if (negated == caret) {
      set.members += members;
    } else if (posix) {
      set.others.push_back("[^" + members + "]");
    } else {
      set.members += "\\P" + members.substr(2);
    }
  }

  std::uint32_t hex(std::size_t from, std::size_t digits) {
    std::uint32_t value = 0;
    if (digits == 0 || digits > 6 || from + digits > c_.in.size()) c_.bad("bad hexadecimal digits");
    for (std::size_t i = from; i < from + digits; ++i) {
      const char c = c_.in[i];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) c_.bad("bad hexadecimal digits");
      value = value * 16 + static_cast<std::uint32_t>(digit);
    }
    return value;
  }

  // A backslash and what stands for one character; moves past it.
  std::uint32_t escaped_code_point() {
    if (c_.at + 1 >= c_.in.size()) c_.bad("nothing after the backslash");
    const char c = c_.peek(1);
    constexpr std::array<std::pair<char, std::uint32_t>, 8> kControls = {
        {{'n', 10}, {'r', 13}, {'t', 9}, {'f', 12}, {'v', 11}, {'a', 7}, {'e', 27}, {'0', 0}}};
    for (const auto& [letter, value] : kControls) {
      if (c == letter) {
        c_.at += 2;
        return value;
      }
    }
    if (c == 'u') {
      const auto value = hex(c_.at + 2, 4);
      c_.at += 6;
      return value;
    }
    if (c == 'x' && c_.peek(2) == '{') {
      const auto end = c_.in.find('}', c_.at);
      if (end == c_.in.npos) c_.bad("\\x{ is not closed");
      const auto value = hex(c_.at + 3, end - c_.at - 3);
      c_.at = end + 1;
      return value;
    }
    if (c == 'x') {
      const auto value = hex(c_.at + 2, 2);
      if (value >= 0x80) c_.unsupported("a raw byte");
      c_.at += 4;
      return value;
    }
    if (std::isalnum(static_cast<unsigned char>(c))) c_.unsupported("this escape");
    ++c_.at;
    const auto point = code_point_at(c_.in, c_.at);
    c_.at += point.bytes;
    return point.value;
  }

  static void add_code_point(std::string& members, std::uint32_t c) {
    if (c < 0x80 && !std::isalnum(static_cast<int>(c))) {
      members += fmt::format("\\x{{{:x}}}", c);
    } else {
      append_utf8(members, c);
    }
  }

  void add_posix(CharacterSet& set) {
    const auto end = c_.in.find(":]", c_.at);
    if (end == c_.in.npos) c_.bad("[: is not closed");
    std::string_view name = c_.in.substr(c_.at + 2, end - c_.at - 2);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    const auto* members = find(kPosix, name);
    if (!members) c_.unsupported("this posix class");
    c_.at = end + 2;
    if (negated) {
      set.others.push_back("[^" + std::string(*members) + "]");
    } else {
      set.members += *members;
    }
  }

  bool is_code_point_escape() const {
    return c_.peek() == '\\' &&
           std::string_view("sSdDwWhHpP").find(c_.peek(1)) == std::string_view::npos;
  }

  std::uint32_t class_code_point() {
    if (c_.peek() == '\\') {
      if (c_.peek(1) == 'b') {
        c_.at += 2;
        return 8;
      }
      return escaped_code_point();
    }
    if (c_.done()) c_.bad("a class is not closed");
    const auto point = code_point_at(c_.in, c_.at);
    c_.at += point.bytes;
    return point.value;
  }

  void add_member(CharacterSet& set) {
    if (c_.peek() == '\\' && !is_code_point_escape()) return add_escape(set);
    const std::uint32_t low = class_code_point();
    add_code_point(set.members, low);
    if (c_.peek() != '-' || c_.peek(1) == ']' || c_.peek(1) == '\0') return;
    const std::size_t dash = c_.at++;
    if (c_.peek() == '[' || (c_.peek() == '\\' && !is_code_point_escape())) {  // not a range: a-\d
      c_.at = dash + 1;
      return add_code_point(set.members, '-');
    }
    const std::uint32_t high = class_code_point();
    if (high < low) c_.bad("a range that runs backwards");
    set.members += '-';
    add_code_point(set.members, high);
  }

  Cursor& c_;
};

}  // namespace

std::string CharacterSet::expression(bool negated) const {
  if (others.empty()) {
    if (members.empty()) return negated ? "(?s:.)" : "(?!)";
    return (negated ? "[^" : "[") + members + "]";
  }
  std::string any = members.empty() ? "" : "[" + members + "]";
  for (const auto& other : others) any += (any.empty() ? "" : "|") + other;
  return negated ? "(?:(?!" + any + ")(?s:.))" : "(?:" + any + ")";
}

void read_escape(Cursor& cursor, CharacterSet& set) { ClassReader(cursor).add_escape(set); }

std::string read_class(Cursor& cursor) { return ClassReader(cursor).character_class(); }

}  // namespace limbeck::regex
