#include "limbeck/text/template_lexer.h"

#include <algorithm>
#include <array>

#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/template_text.h"

namespace limbeck::jinja {
namespace {

// All line ends become \n, and one at the very end of the template is dropped.
std::string normalize_lines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
      continue;
    }
    out += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

class Lexer {
 public:
  Lexer(std::string source, const std::string& origin)
      : source_(std::move(source)), origin_(origin) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) data();
    add(TokenType::end, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void error(std::string_view message) const {
    fail(ErrorKind::format, "{}:{}: {}", origin_, line_, message);
  }
  bool looking_at(std::string_view text) const {
    return std::string_view(source_).substr(at_, text.size()) == text;
  }
  void add(TokenType type, std::string text) { tokens_.push_back({type, std::move(text), line_}); }
  void skip_to(std::size_t to) {
    line_ += static_cast<std::size_t>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                                 source_.begin() + static_cast<std::ptrdiff_t>(to),
                                                 '\n'));
    at_ = to;
  }
  std::size_t after_space(std::size_t from) const {
    const std::string_view rest = std::string_view(source_).substr(from);
    return from + strip_range(rest, nullptr, true, false).from;
  }

  // The text in front of a tag, as its sign ('-', '+' or 0) and lstrip_blocks leave it.
  void emit_data(std::size_t from, std::size_t to, char sign, bool variable) {
    std::string_view text = std::string_view(source_).substr(from, to - from);
    if (sign == '-') {
      text = text.substr(0, strip_range(text, nullptr, false, true).to);
    } else if (sign != '+' && !variable) {
      const std::size_t newline = text.rfind('\n');
      const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
      const std::string_view tail = text.substr(start);
      if ((start > 0 || line_starting_) &&
          strip_range(tail, nullptr, true, false).from == tail.size())
        text = text.substr(0, start);
    }
    if (!text.empty()) add(TokenType::data, std::string(text));
    skip_to(to);
  }

  void data() {
    std::size_t tag = at_;
    while (true) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) return emit_rest();
      const char next = source_[tag + 1];
      if (next == '{' || next == '%' || next == '#') break;
      ++tag;
    }
    const char kind = source_[tag + 1];
    char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    if (sign != '-' && sign != '+') sign = '\0';
    emit_data(at_, tag, sign, kind == '{');
    line_starting_ = false;
    skip_to(tag + (sign ? 3 : 2));
    if (kind == '#') return comment();
    if (kind == '%' && raw_begin()) return raw();
    const bool variable = kind == '{';
    add(variable ? TokenType::variable_begin : TokenType::block_begin, "");
    tag_body(variable);
  }
  void emit_rest() {
    add(TokenType::data, source_.substr(at_));
    skip_to(source_.size());
  }

  void comment() {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string::npos) error("a comment {# is never closed with #}");
    const bool signed_end = end > at_ && (source_[end - 1] == '-' || source_[end - 1] == '+');
    close(end, 2, signed_end ? source_[end - 1] : '\0', true);
  }

  // Moves behind a closing tag whose brackets start at `end`, taking the white space it removes.
  void close(std::size_t end, std::size_t bytes, char sign, bool trim) {
    std::size_t to = end + bytes;
    if (sign == '-') {
      to = after_space(to);
    } else if (sign != '+' && trim && to < source_.size() && source_[to] == '\n') {
      ++to;
    }
    line_starting_ = to > 0 && source_[to - 1] == '\n';
    skip_to(to);
  }

  // {% raw %}: true if the tag at hand is one; at_ is then behind it.
  bool raw_begin() {
    std::size_t i = after_space(at_);
    if (std::string_view(source_).substr(i, 3) != "raw") return false;
    i = after_space(i + 3);
    const std::string_view rest = std::string_view(source_).substr(i);
    if (rest.substr(0, 3) == "-%}") {
      close(i + 1, 2, '-', false);
      return true;
    }
    if (rest.substr(0, 2) != "%}") return false;
    close(i, 2, '\0', false);
    return true;
  }
  void raw() {
    const std::size_t from = at_;
    for (std::size_t tag = source_.find("{%", from); tag != std::string::npos;
         tag = source_.find("{%", tag + 2)) {
      char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
      if (sign != '-' && sign != '+') sign = '\0';
      std::size_t i = after_space(tag + (sign ? 3 : 2));
      if (std::string_view(source_).substr(i, 6) != "endraw") continue;
      i = after_space(i + 6);
      char end_sign = i < source_.size() ? source_[i] : '\0';
      if (end_sign != '-' && end_sign != '+') end_sign = '\0';
      if (end_sign) ++i;
      if (std::string_view(source_).substr(i, 2) != "%}") continue;
      emit_data(from, tag, sign, false);
      close(i, 2, end_sign, true);
      return;
    }
    error("{% raw %} is never closed with {% endraw %}");
  }

  void tag_body(bool variable) {
    brackets_.clear();
    const std::size_t opened = line_;
    while (true) {
      if (at_ >= source_.size()) {
        line_ = opened;
        error(variable ? "{{ is never closed with }}" : "{% is never closed with %}");
      }
      if (brackets_.empty() && tag_end(variable)) return;
      token();
    }
  }
  bool tag_end(bool variable) {
    const std::string_view close_text = variable ? "}}" : "%}";
    const TokenType type = variable ? TokenType::variable_end : TokenType::block_end;
    char sign = source_[at_];
    if (sign != '-' && (sign != '+' || variable)) sign = '\0';
    const std::size_t end = at_ + (sign ? 1 : 0);
    if (std::string_view(source_).substr(end, 2) != close_text) return false;
    add(type, "");
    close(end, 2, sign, !variable);
    return true;
  }

  void token() {
    const char c = source_[at_];
    const std::size_t space = after_space(at_);
    if (space > at_) return skip_to(space);
    if (is_digit(c)) return number();
    if (c == '"' || c == '\'') return string(c);
    if (is_name(c)) {
      std::size_t end = at_;
      while (end < source_.size() && is_name(source_[end])) ++end;
      add(TokenType::name, source_.substr(at_, end - at_));
      return skip_to(end);
    }
    symbol();
  }

  void symbol() {
    constexpr std::array<std::string_view, 6> kTwo = {"//", "**", "==", "!=", ">=", "<="};
    for (std::string_view two : kTwo)
      if (looking_at(two)) {
        add(TokenType::symbol, std::string(two));
        return skip_to(at_ + 2);
      }
    const char c = source_[at_];
    if (std::string_view("+-/*%~[](){}><=.:|,;").find(c) == std::string_view::npos)
      error(fmt::format("unexpected character '{}'", replace_invalid_utf8(std::string(1, c))));
    if (c == '(' || c == '[' || c == '{') brackets_ += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (brackets_.empty() || brackets_.back() != c) error(fmt::format("unexpected '{}'", c));
      brackets_.pop_back();
    }
    add(TokenType::symbol, std::string(1, c));
    skip_to(at_ + 1);
  }

  std::size_t digits(std::size_t i) const {  // the end of (\d+_)*\d+ from i; i itself if none
    std::size_t end = i;
    while (end < source_.size() &&
           (is_digit(source_[end]) || (source_[end] == '_' && end > i && end + 1 < source_.size() &&
                                       is_digit(source_[end + 1]))))
      ++end;
    return end;
  }
  void number() {
    std::size_t end = at_;
    TokenType type = TokenType::integer;
    if (source_[at_] == '0' && at_ + 1 < source_.size() &&
        std::string_view("xXoObB").find(source_[at_ + 1]) != std::string_view::npos) {
      end += 2;
      while (end < source_.size() && is_name(source_[end])) ++end;
    } else {
      end = digits(end);
      // A digit after "x.0" (an index by attribute) starts no fraction: Jinja's (?<!\.).
      const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
      if (!after_dot && end + 1 < source_.size() && source_[end] == '.' &&
          is_digit(source_[end + 1])) {
        type = TokenType::real;
        end = digits(end + 1);
      }
      if (!after_dot && end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
        std::size_t from = end + 1;
        if (from < source_.size() && (source_[from] == '+' || source_[from] == '-')) ++from;
        if (digits(from) > from) {
          type = TokenType::real;
          end = digits(from);
        }
      }
    }
    std::string text = source_.substr(at_, end - at_);
    text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
    add(type, std::move(text));
    skip_to(end);
  }

  void string(char quote) {
    std::string text;
    std::size_t i = at_ + 1;
    while (true) {
      if (i >= source_.size()) error("a string is never closed");
      if (source_[i] == quote) break;
      if (source_[i] == '\\' && i + 1 < source_.size()) {
        i = escape(i + 1, text);
      } else {
        text += source_[i++];
      }
    }
    add(TokenType::string, std::move(text));
    skip_to(i + 1);
  }

  // The escape whose letter is at i, as Python's "unicode-escape"; returns the offset behind it.
  std::size_t escape(std::size_t i, std::string& text) {
    constexpr std::string_view kLetters = "abfnrtv\\'\"", kBytes = "\a\b\f\n\r\t\v\\'\"";
    const char c = source_[i];
    if (const std::size_t k = kLetters.find(c); k != std::string_view::npos) {
      text += kBytes[k];
    } else if (c == '\n') {
      // A line continued: nothing.
    } else if (c == 'x' || c == 'u' || c == 'U') {
      return escape_number(i + 1, 16, c == 'x' ? 2 : c == 'u' ? 4 : 8, true, text);
    } else if (c >= '0' && c <= '7') {
      return escape_number(i, 8, 3, false, text);
    } else if (c == 'N') {
      fail(ErrorKind::unsupported, "{}:{}: \\N{{...}} in a string", origin_, line_);
    } else {
      text += '\\';
      return i;  // an unknown escape stays as it is
    }
    return i + 1;
  }
  std::size_t escape_number(std::size_t i, unsigned base, std::size_t digits_max, bool exact,
                            std::string& text) {
    std::uint32_t value = 0;
    std::size_t n = 0;
    for (; n < digits_max && i + n < source_.size(); ++n) {
      const char c = source_[i + n];
      const unsigned digit = is_digit(c)              ? static_cast<unsigned>(c - '0')
                             : (c >= 'a' && c <= 'f') ? static_cast<unsigned>(c - 'a' + 10)
                             : (c >= 'A' && c <= 'F') ? static_cast<unsigned>(c - 'A' + 10)
                                                      : 99u;
      if (digit >= base) break;
      value = value * base + digit;
    }
    if ((exact && n < digits_max) || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
      error("bad escape in a string");
    append_utf8(text, value);
    return i + n;
  }

  std::string source_;
  const std::string& origin_;
  std::size_t at_ = 0, line_ = 1;
  bool line_starting_ = true;
  std::string brackets_;  // the closing ones that are awaited
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source, const std::string& origin) {
  return Lexer(normalize_lines(source), origin).run();
}

}  // namespace limbeck::jinja
