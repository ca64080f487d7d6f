// Words of a text by Unicode categories (utf8proc), as Python sees them.
#include "limbeck/task/words.h"

#include <utf8proc.h>

#include <cstdint>

#include "limbeck/base/utf8.h"

namespace limbeck {
namespace {

bool is_ascii_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

bool is_ascii_punctuation(std::uint32_t c) noexcept {  // Python's string.punctuation
  return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
         (c >= 123 && c <= 126);
}

// Python's str.isspace: Unicode blanks and the separators among the controls.
bool is_blank(std::uint32_t c) noexcept {
  if ((c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x1f) || c == 0x85) return true;
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP;
}

// Python's \w without the underscore: letters and numbers.
bool is_letter_or_number(std::uint32_t c) noexcept {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
         (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

std::uint32_t lower_code_point(std::uint32_t c) noexcept {
  return static_cast<std::uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

// Calls `see` with each code point; invalid bytes come as U+FFFD.
template <typename See>
void for_each_code_point(std::string_view text, See see) {
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = code_point_at(text, i);
    see(point.value);
    i += point.bytes;
  }
}

bool is_article(std::string_view word) noexcept {
  return word == "a" || word == "an" || word == "the";
}

}  // namespace

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && is_ascii_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_ascii_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view without_thinking(std::string_view text) {
  constexpr std::string_view kOpen = "<think>", kClose = "</think>";
  text = trimmed(text);
  if (!text.starts_with(kOpen)) return text;
  const auto end = text.find(kClose);
  return end == text.npos ? text : trimmed(text.substr(end + kClose.size()));
}

std::string lower(std::string_view text) {
  std::string out;
  for_each_code_point(text, [&](std::uint32_t c) { append_utf8(out, lower_code_point(c)); });
  return out;
}

std::string plain_words(std::string_view text) {
  std::string out;
  bool gap = false;
  for_each_code_point(text, [&](std::uint32_t c) {
    if (!is_letter_or_number(c)) {
      gap = true;
      return;
    }
    if (gap && !out.empty()) out += ' ';
    gap = false;
    append_utf8(out, lower_code_point(c));
  });
  return out;
}

std::string squad_normal(std::string_view text) {
  std::string out, word;  // `word`: a run of letters and numbers that may be an article
  bool gap = false;       // a blank is due before the next character
  const auto add = [&](std::string_view piece) {
    if (piece.empty()) return;
    if (gap && !out.empty()) out += ' ';
    gap = false;
    out += piece;
  };
  const auto end_word = [&] {
    if (is_article(word)) {
      gap = true;
    } else {
      add(word);
    }
    word.clear();
  };
  for_each_code_point(text, [&](std::uint32_t c) {
    if (is_ascii_punctuation(c)) return;
    if (is_letter_or_number(c)) {
      append_utf8(word, lower_code_point(c));
      return;
    }
    end_word();
    if (is_blank(c)) {
      gap = true;
    } else {
      std::string other;
      append_utf8(other, c);
      add(other);
    }
  });
  end_word();
  return out;
}

std::vector<std::string> rouge_tokens(std::string_view text) {
  std::vector<std::string> tokens;
  std::string token;
  for (const char c : lower(text)) {
    const bool keep = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c & 0x80);
    if (keep) {
      token += c;
    } else if (!token.empty()) {
      tokens.push_back(std::move(token));
      token.clear();
    }
  }
  if (!token.empty()) tokens.push_back(std::move(token));
  return tokens;
}

std::vector<std::string> split_blanks(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for_each_code_point(text, [&](std::uint32_t c) {
    if (!is_blank(c)) {
      append_utf8(word, c);
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  });
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

}  // namespace limbeck
