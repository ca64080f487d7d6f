// Oniguruma's syntax in PCRE2's words. Sources: Oniguruma's doc/RE (6.9), pcre2pattern(3).
#include "limbeck/text/regex.h"
#include "limbeck/text/regex_class.h"
#include "limbeck/text/regex_names.h"

namespace limbeck {
namespace regex {
namespace {

// Outside classes Oniguruma asks its Latin-1 table below U+0100, where these digits are letters
// too.
constexpr std::string_view kLatinWord = "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}";

class Translator {
 public:
  Translator(std::string_view pattern, std::string_view origin)
      : c_{pattern, origin}, groups_{{}} {}

  std::string translate() {
    while (!c_.done()) step();
    if (groups_.size() != 1) c_.bad("a group is not closed");
    close_options();
    return std::move(out_);
  }

 private:
  struct Group {
    std::size_t begin = 0;  // in out_
    int options = 0;        // groups opened for options such as (?i), closed with this one
  };

  void atom(std::string_view text) {
    atom_ = out_.size();
    out_ += text;
    can_repeat_ = true;
    repeated_ = false;
  }

  void step() {
    switch (c_.peek()) {
      case '\\':
        return escape();
      case '[':
        return atom(read_class(c_));
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
        ++c_.at;
        out_ += '|';
        can_repeat_ = false;
        return;
      default:
        return atom(c_.character());
    }
  }

  // ---- groups ----
  void open_group() {
    if (groups_.size() > kMaxDepth) c_.bad("groups nest too deep");
    for (const std::string_view opening : {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"}) {
      if (c_.next_is(opening)) return push(opening);
    }
    if (c_.next_is("(?#")) {
      const auto end = c_.in.find(')', c_.at);
      if (end == c_.in.npos) c_.bad("a comment is not closed");
      c_.at = end + 1;
      return;
    }
    if (c_.next_is("(?<")) {
      const auto end = c_.in.find('>', c_.at);
      if (end == c_.in.npos) c_.bad("a group's name is not closed");
      return push(c_.in.substr(c_.at, end + 1 - c_.at));
    }
    if (c_.next_is("(?")) return options();
    if (c_.next_is("(*")) c_.unsupported("a group starting with (*");
    push("(");
  }

  void push(std::string_view opening) {
    groups_.push_back({out_.size(), 0});
    out_ += opening;
    c_.at += opening.size();
    can_repeat_ = false;
  }

  // (?i) holds to the end of the enclosing group, alternatives included; (?i:...) for its own.
  void options() {
    std::string flags;
    std::size_t i = c_.at + 2;
    for (; i < c_.in.size() && (c_.in[i] == '-' || (c_.in[i] >= 'a' && c_.in[i] <= 'z')); ++i) {
      if (c_.in[i] == 'i' || c_.in[i] == 'x' || c_.in[i] == '-') {
        flags += c_.in[i];
      } else if (c_.in[i] == 'm') {
        flags += 's';  // Oniguruma's m: a dot matches newlines
      } else {
        c_.unsupported("this group option");
      }
    }
    const char end = i < c_.in.size() ? c_.in[i] : '\0';
    if (flags.find('x') != flags.npos) c_.unsupported("the option x");
    if (end == ':') {
      groups_.push_back({out_.size(), 0});
    } else if (end == ')' && !flags.empty()) {
      ++groups_.back().options;
    } else {
      c_.unsupported("this group");
    }
    out_ += "(?" + flags + ":";
    c_.at = i + 1;
    can_repeat_ = false;
  }

  void close_options() { out_.append(static_cast<std::size_t>(groups_.back().options), ')'); }

  void close_group() {
    if (groups_.size() == 1) c_.bad("')' without '('");
    close_options();
    out_ += ')';
    atom_ = groups_.back().begin;
    groups_.pop_back();
    can_repeat_ = true;
    repeated_ = false;
    ++c_.at;
  }

  // ---- repetition ----
  void wrap() { out_.insert(atom_, "(?:").append(")"); }

  void repeat() {
    if (!can_repeat_) c_.bad("nothing to repeat");
    if (repeated_) wrap();
    out_ += c_.in[c_.at++];
    if (c_.peek() == '?' || c_.peek() == '+') out_ += c_.in[c_.at++];  // lazy, possessive
    repeated_ = true;
  }

  // {n}, {n,}, {n,m}, {,m}; anything else is literal.
  void brace() {
    std::size_t i = c_.at + 1;
    std::string low, high;
    while (i < c_.in.size() && c_.in[i] >= '0' && c_.in[i] <= '9') low += c_.in[i++];
    const bool comma = i < c_.in.size() && c_.in[i] == ',';
    if (comma) ++i;
    while (comma && i < c_.in.size() && c_.in[i] >= '0' && c_.in[i] <= '9') high += c_.in[i++];
    if (i >= c_.in.size() || c_.in[i] != '}' || (low.empty() && high.empty())) {
      ++c_.at;
      return atom("\\{");
    }
    if (!can_repeat_) c_.bad("nothing to repeat");
    if (repeated_) wrap();
    c_.at = i + 1;
    out_ += "{" + (low.empty() ? "0" : low) + (comma ? "," : "") + high + "}";
    repeated_ = true;
    if (c_.peek() == '+' || (c_.peek() == '?' && !comma)) {  // X{n,m}+ repeats, X{n}? is optional
      wrap();
      out_ += c_.in[c_.at++];
    } else if (c_.peek() == '?') {
      out_ += c_.in[c_.at++];
    }
  }

  // ---- escapes ----
  void escape() {
    const char c = c_.peek(1);
    if (c == 'b' || c == 'B') {
      c_.at += 2;
      const std::string word = "[" + std::string(kWord).append(kLatinWord) + "]",
                        in = "(?<=" + word + ")", out = "(?<!" + word + ")",
                        ahead = "(?=" + word + ")", end = "(?!" + word + ")";
      return atom(c == 'b' ? "(?:" + in + end + "|" + out + ahead + ")"
                           : "(?:" + in + ahead + "|" + out + end + ")");
    }
    if (c != '\0' && std::string_view("AzZGKRX123456789").find(c) != std::string_view::npos) {
      c_.at += 2;
      return atom(c_.in.substr(c_.at - 2, 2));
    }
    if (c == 'N' || c == 'O') {
      c_.at += 2;
      return atom(c == 'N' ? "[^\\n]" : "(?s:.)");
    }
    CharacterSet set;
    if (c == 'w' || c == 'W') {
      c_.at += 2;
      set.members = std::string(kWord).append(kLatinWord);
      return atom(set.expression(c == 'W'));
    }
    read_escape(c_, set);
    atom(set.expression(false));
  }

  Cursor c_;
  std::string out_;
  std::vector<Group> groups_;
  std::size_t atom_ = 0;     // where the last atom begins in out_
  bool can_repeat_ = false;  // is there an atom?
  bool repeated_ = false;    // and has it a quantifier already?
};

}  // namespace
}  // namespace regex

std::string pcre2_from_oniguruma(std::string_view pattern, std::string_view origin) {
  if (!is_utf8(pattern)) fail(ErrorKind::format, "{}: a pattern that is not UTF-8", origin);
  return regex::Translator(pattern, origin).translate();
}

}  // namespace limbeck
