// Oniguruma's syntax in PCRE2's words. Sources: Oniguruma's doc/RE (6.9), pcre2pattern(3).
#include <array>
#include <cctype>
#include <utility>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/regex.h"

namespace limbeck {
namespace {

constexpr int kMaxDepth = 64;
// What both read differently, spelled out as members of a character class.
constexpr std::string_view kWord = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
// Outside classes Oniguruma asks its Latin-1 table below U+0100, where these digits are letters
// too.
constexpr std::string_view kLatinWord = "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}";
constexpr std::string_view kHex = "0-9a-fA-F";

using Name = std::pair<std::string_view, std::string_view>;

// Properties that PCRE2 10.42 does not know by Oniguruma's name (lower case, without -, _, blank).
constexpr std::array kProperties = {
    Name{"letter", "L"},
    Name{"uppercaseletter", "Lu"},
    Name{"lowercaseletter", "Ll"},
    Name{"titlecaseletter", "Lt"},
    Name{"modifierletter", "Lm"},
    Name{"otherletter", "Lo"},
    Name{"mark", "M"},
    Name{"combiningmark", "M"},
    Name{"nonspacingmark", "Mn"},
    Name{"spacingmark", "Mc"},
    Name{"enclosingmark", "Me"},
    Name{"number", "N"},
    Name{"decimalnumber", "Nd"},
    Name{"letternumber", "Nl"},
    Name{"othernumber", "No"},
    Name{"punctuation", "P"},
    Name{"connectorpunctuation", "Pc"},
    Name{"dashpunctuation", "Pd"},
    Name{"openpunctuation", "Ps"},
    Name{"closepunctuation", "Pe"},
    Name{"initialpunctuation", "Pi"},
    Name{"finalpunctuation", "Pf"},
    Name{"otherpunctuation", "Po"},
    Name{"symbol", "S"},
    Name{"mathsymbol", "Sm"},
    Name{"currencysymbol", "Sc"},
    Name{"modifiersymbol", "Sk"},
    Name{"othersymbol", "So"},
    Name{"separator", "Z"},
    Name{"spaceseparator", "Zs"},
    Name{"lineseparator", "Zl"},
    Name{"paragraphseparator", "Zp"},
    Name{"other", "C"},
    Name{"control", "Cc"},
    Name{"format", "Cf"},
    Name{"surrogate", "Cs"},
    Name{"privateuse", "Co"},
    Name{"unassigned", "Cn"},
    Name{"alpha", "Alphabetic"},
    Name{"space", "White_Space"},
    Name{"upper", "Uppercase"},
    Name{"lower", "Lowercase"},
    Name{"digit", "Nd"},
    Name{"cntrl", "Cc"},
    Name{"punct", "P"},
};

// [[:name:]] as members of a class.
constexpr std::array kPosix = {
    Name{"alpha", "\\p{Alphabetic}"},
    Name{"digit", "\\p{Nd}"},
    Name{"alnum", "\\p{Alphabetic}\\p{Nd}"},
    Name{"upper", "\\p{Uppercase}"},
    Name{"lower", "\\p{Lowercase}"},
    Name{"space", "\\p{White_Space}"},
    Name{"blank", "\\p{Zs}\\t"},
    Name{"cntrl", "\\p{Cc}"},
    Name{"punct", "\\p{P}\\p{S}"},
    Name{"word", kWord},
    Name{"xdigit", kHex},
    Name{"ascii", "\\x{0}-\\x{7f}"},
};

template <typename Table>
const std::string_view* find(const Table& table, std::string_view name) {
  for (const auto& [key, value] : table) {
    if (key == name) return &value;
  }
  return nullptr;
}

// A set of characters: members that PCRE2 can list in one class, and expressions, each matching one
// character, that it cannot (complements and nested classes).
struct CharacterSet {
  std::string members;
  std::vector<std::string> others;

  std::string expression(bool negated) const {
    if (others.empty()) {
      if (members.empty()) return negated ? "(?s:.)" : "(?!)";
      return (negated ? "[^" : "[") + members + "]";
    }
    std::string any = members.empty() ? "" : "[" + members + "]";
    for (const auto& other : others) any += (any.empty() ? "" : "|") + other;
    return negated ? "(?:(?!" + any + ")(?s:.))" : "(?:" + any + ")";
  }
};

class Translator {
 public:
  Translator(std::string_view pattern, std::string_view origin)
      : in_(pattern), origin_(origin), groups_{{}} {}

  std::string translate() {
    while (at_ < in_.size()) step();
    if (groups_.size() != 1) bad("a group is not closed");
    close_options();
    return std::move(out_);
  }

 private:
  struct Group {
    std::size_t begin = 0;  // in out_
    int options = 0;        // groups opened for options such as (?i), closed with this one
  };

  [[noreturn]] void bad(std::string_view why) const {
    fail(ErrorKind::format, "{}: pattern '{}', at byte {}: {}", origin_, in_, at_, why);
  }
  [[noreturn]] void unsupported(std::string_view what) const {
    fail(ErrorKind::unsupported, "{}: pattern '{}', at byte {}: {} is not supported", origin_, in_,
         at_, what);
  }

  bool next_is(std::string_view text) const { return in_.substr(at_).starts_with(text); }
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0';
  }

  void atom(std::string_view text) {
    atom_ = out_.size();
    out_ += text;
    can_repeat_ = true;
    repeated_ = false;
  }

  std::string_view character() {
    const std::size_t n = code_point_at(in_, at_).bytes;
    at_ += n;
    return in_.substr(at_ - n, n);
  }

  void step() {
    switch (peek()) {
      case '\\':
        return escape();
      case '[':
        return atom(character_class(0));
      case '(':
        return open_group();
      case ')':
        return close_group();
      case '*':
      case '+':
      case '?':
        return repeat();
      case '{':
        return brace();
      case '|':
        ++at_;
        out_ += '|';
        can_repeat_ = false;
        return;
      default:
        return atom(character());
    }
  }

  // ---- groups ----
  void open_group() {
    if (groups_.size() > kMaxDepth) bad("groups nest too deep");
    for (const std::string_view opening : {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"}) {
      if (next_is(opening)) return push(opening);
    }
    if (next_is("(?#")) {
      const auto end = in_.find(')', at_);
      if (end == in_.npos) bad("a comment is not closed");
      at_ = end + 1;
      return;
    }
    if (next_is("(?<")) {
      const auto end = in_.find('>', at_);
      if (end == in_.npos) bad("a group's name is not closed");
      return push(in_.substr(at_, end + 1 - at_));
    }
    if (next_is("(?")) return options();
    if (next_is("(*")) unsupported("a group starting with (*");
    push("(");
  }

  void push(std::string_view opening) {
    groups_.push_back({out_.size(), 0});
    out_ += opening;
    at_ += opening.size();
    can_repeat_ = false;
  }

  // (?i) holds to the end of the enclosing group, alternatives included; (?i:...) for its own.
  void options() {
    std::string flags;
    std::size_t i = at_ + 2;
    for (; i < in_.size() && (in_[i] == '-' || (in_[i] >= 'a' && in_[i] <= 'z')); ++i) {
      if (in_[i] == 'i' || in_[i] == 'x' || in_[i] == '-') {
        flags += in_[i];
      } else if (in_[i] == 'm') {
        flags += 's';  // Oniguruma's m: a dot matches newlines
      } else {
        unsupported("this group option");
      }
    }
    const char end = i < in_.size() ? in_[i] : '\0';
    if (flags.find('x') != flags.npos) unsupported("the option x");
    if (end == ':') {
      groups_.push_back({out_.size(), 0});
    } else if (end == ')' && !flags.empty()) {
      ++groups_.back().options;
    } else {
      unsupported("this group");
    }
    out_ += "(?" + flags + ":";
    at_ = i + 1;
    can_repeat_ = false;
  }

  void close_options() { out_.append(static_cast<std::size_t>(groups_.back().options), ')'); }

  void close_group() {
    if (groups_.size() == 1) bad("')' without '('");
    close_options();
    out_ += ')';
    atom_ = groups_.back().begin;
    groups_.pop_back();
    can_repeat_ = true;
    repeated_ = false;
    ++at_;
  }

  // ---- repetition ----
  void wrap() { out_.insert(atom_, "(?:").append(")"); }

  void repeat() {
    if (!can_repeat_) bad("nothing to repeat");
    if (repeated_) wrap();
    out_ += in_[at_++];
    if (peek() == '?' || peek() == '+') out_ += in_[at_++];  // lazy, possessive
    repeated_ = true;
  }

  // {n}, {n,}, {n,m}, {,m}; anything else is literal.
  void brace() {
    std::size_t i = at_ + 1;
    std::string low, high;
    while (i < in_.size() && in_[i] >= '0' && in_[i] <= '9') low += in_[i++];
    const bool comma = i < in_.size() && in_[i] == ',';
    if (comma) ++i;
    while (comma && i < in_.size() && in_[i] >= '0' && in_[i] <= '9') high += in_[i++];
    if (i >= in_.size() || in_[i] != '}' || (low.empty() && high.empty())) {
      ++at_;
      return atom("\\{");
    }
    if (!can_repeat_) bad("nothing to repeat");
    if (repeated_) wrap();
    at_ = i + 1;
    out_ += "{" + (low.empty() ? "0" : low) + (comma ? "," : "") + high + "}";
    repeated_ = true;
    if (peek() == '+' || (peek() == '?' && !comma)) {  // X{n,m}+ repeats, X{n}? is optional
      wrap();
      out_ += in_[at_++];
    } else if (peek() == '?') {
      out_ += in_[at_++];
    }
  }

  // ---- escapes ----
  void escape() {
    const char c = peek(1);
    if (c == 'b' || c == 'B') {
      at_ += 2;
      const std::string word = "[" + std::string(kWord).append(kLatinWord) + "]",
                        in = "(?<=" + word + ")", out = "(?<!" + word + ")",
                        ahead = "(?=" + word + ")", end = "(?!" + word + ")";
      return atom(c == 'b' ? "(?:" + in + end + "|" + out + ahead + ")"
                           : "(?:" + in + ahead + "|" + out + end + ")");
    }
    if (c != '\0' && std::string_view("AzZGKRX123456789").find(c) != std::string_view::npos) {
      at_ += 2;
      return atom(in_.substr(at_ - 2, 2));
    }
    if (c == 'N' || c == 'O') {
      at_ += 2;
      return atom(c == 'N' ? "[^\\n]" : "(?s:.)");
    }
    CharacterSet set;
    if (c == 'w' || c == 'W') {
      at_ += 2;
      set.members = std::string(kWord).append(kLatinWord);
      return atom(set.expression(c == 'W'));
    }
    add_escape(set);
    atom(set.expression(false));
  }

  // \s, \p{L}, \n, \., ...: one member of `set`.
  void add_escape(CharacterSet& set) {
    const char c = peek(1);
    const auto both = [&](std::string_view members) {
      at_ += 2;
      if (c >= 'a') {
        set.members += members;
      } else {
        set.others.push_back("[^" + std::string(members) + "]");
      }
    };
    switch (c) {
      case '\0':
        bad("a backslash at the end");
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

  void add_property(CharacterSet& set) {
    const bool negated = peek(1) == 'P';
    const auto end = in_.find('}', at_);
    if (peek(2) != '{' || end == in_.npos) bad("\\p needs {a name}");
    std::string_view given = in_.substr(at_ + 3, end - at_ - 3);
    const bool caret = given.starts_with('^');
    if (caret) given.remove_prefix(1);
    std::string key;
    for (const char c : given) {
      if (c == ' ' || c == '-' || c == '_') continue;
      if (!std::isalnum(static_cast<unsigned char>(c))) bad("a property name with odd characters");
      key += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    at_ = end + 1;
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
    if (digits == 0 || digits > 6 || from + digits > in_.size()) bad("bad hexadecimal digits");
    for (std::size_t i = from; i < from + digits; ++i) {
      const char c = in_[i];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) bad("bad hexadecimal digits");
      value = value * 16 + static_cast<std::uint32_t>(digit);
    }
    return value;
  }

  // A backslash and what stands for one character; moves past it.
  std::uint32_t escaped_code_point() {
    if (at_ + 1 >= in_.size()) bad("nothing after the backslash");
    const char c = peek(1);
    constexpr std::array<std::pair<char, std::uint32_t>, 8> kControls = {
        {{'n', 10}, {'r', 13}, {'t', 9}, {'f', 12}, {'v', 11}, {'a', 7}, {'e', 27}, {'0', 0}}};
    for (const auto& [letter, value] : kControls) {
      if (c == letter) {
        at_ += 2;
        return value;
      }
    }
    if (c == 'u') {
      const auto value = hex(at_ + 2, 4);
      at_ += 6;
      return value;
    }
    if (c == 'x' && peek(2) == '{') {
      const auto end = in_.find('}', at_);
      if (end == in_.npos) bad("\\x{ is not closed");
      const auto value = hex(at_ + 3, end - at_ - 3);
      at_ = end + 1;
      return value;
    }
    if (c == 'x') {
      const auto value = hex(at_ + 2, 2);
      if (value >= 0x80) unsupported("a raw byte");
      at_ += 4;
      return value;
    }
    if (std::isalnum(static_cast<unsigned char>(c))) unsupported("this escape");
    ++at_;
    const auto point = code_point_at(in_, at_);
    at_ += point.bytes;
    return point.value;
  }

  static void add_code_point(std::string& members, std::uint32_t c) {
    if (c < 0x80 && !std::isalnum(static_cast<int>(c))) {
      members += fmt::format("\\x{{{:x}}}", c);
    } else {
      append_utf8(members, c);
    }
  }

  // ---- classes ----
  // [...], with nested classes, posix names, ranges and intersections (&&); moves past it.
  std::string character_class(int depth) {
    if (depth > kMaxDepth) bad("classes nest too deep");
    ++at_;
    const bool negated = peek() == '^';
    if (negated) ++at_;
    std::string left;  // of &&
    CharacterSet set;
    for (bool first = true;; first = false) {
      if (at_ >= in_.size()) bad("a class is not closed");
      if (peek() == ']' && !first) break;
      if (next_is("&&")) {
        at_ += 2;
        left += "(?=" + set.expression(false) + ")";
        set = {};
      } else if (next_is("[:")) {
        add_posix(set);
      } else if (peek() == '[') {
        set.others.push_back(character_class(depth + 1));
      } else {
        add_member(set);
      }
    }
    ++at_;
    if (left.empty()) return set.expression(negated);
    const std::string all = left + set.expression(false);
    return negated ? "(?:(?!" + all + ")(?s:.))" : "(?:" + all + ")";
  }

  void add_posix(CharacterSet& set) {
    const auto end = in_.find(":]", at_);
    if (end == in_.npos) bad("[: is not closed");
    std::string_view name = in_.substr(at_ + 2, end - at_ - 2);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    const auto* members = find(kPosix, name);
    if (!members) unsupported("this posix class");
    at_ = end + 2;
    if (negated) {
      set.others.push_back("[^" + std::string(*members) + "]");
    } else {
      set.members += *members;
    }
  }

  bool is_code_point_escape() const {
    return peek() == '\\' && std::string_view("sSdDwWhHpP").find(peek(1)) == std::string_view::npos;
  }

  std::uint32_t class_code_point() {
    if (peek() == '\\') {
      if (peek(1) == 'b') {
        at_ += 2;
        return 8;
      }
      return escaped_code_point();
    }
    if (at_ >= in_.size()) bad("a class is not closed");
    const auto point = code_point_at(in_, at_);
    at_ += point.bytes;
    return point.value;
  }

  void add_member(CharacterSet& set) {
    if (peek() == '\\' && !is_code_point_escape()) return add_escape(set);
    const std::uint32_t low = class_code_point();
    add_code_point(set.members, low);
    if (peek() != '-' || peek(1) == ']' || peek(1) == '\0') return;
    const std::size_t dash = at_++;
    if (peek() == '[' || (peek() == '\\' && !is_code_point_escape())) {  // not a range: a-\d
      at_ = dash + 1;
      return add_code_point(set.members, '-');
    }
    const std::uint32_t high = class_code_point();
    if (high < low) bad("a range that runs backwards");
    set.members += '-';
    add_code_point(set.members, high);
  }

  std::string_view in_;
  std::string_view origin_;
  std::size_t at_ = 0;
  std::string out_;
  std::vector<Group> groups_;
  std::size_t atom_ = 0;     // where the last atom begins in out_
  bool can_repeat_ = false;  // is there an atom?
  bool repeated_ = false;    // and has it a quantifier already?
};

}  // namespace

std::string pcre2_from_oniguruma(std::string_view pattern, std::string_view origin) {
  if (!is_utf8(pattern)) fail(ErrorKind::format, "{}: a pattern that is not UTF-8", origin);
  return Translator(pattern, origin).translate();
}

}  // namespace limbeck
