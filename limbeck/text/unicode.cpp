#include "limbeck/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"

namespace limbeck::unicode {
namespace {

utf8proc_category_t category(std::uint32_t c) noexcept {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

// Letters and numbers aside, the symbols with the property Alphabetic (circled Latin letters).
bool is_alphabetic_symbol(std::uint32_t c) noexcept {
  return (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
         (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
}

bool is_ascii_only(std::string_view text) noexcept {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

// The code points of `text`, each as what it is made of.
std::vector<utf8proc_int32_t> decomposed(std::string_view text, utf8proc_option_t options) {
  constexpr utf8proc_ssize_t kLongest = 32;  // of one code point; Unicode has 18 at most
  std::vector<utf8proc_int32_t> points;
  points.reserve(text.size());
  std::array<utf8proc_int32_t, kLongest> parts{};
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint c = code_point_at(text, i);
    int boundary = 0;
    const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c.value), parts.data(),
                                           kLongest, options, &boundary);
    if (n < 0 || n > kLongest) {
      fail(ErrorKind::format, "Unicode normalization of U+{:04X}: {}", c.value, utf8proc_errmsg(n));
    }
    points.insert(points.end(), parts.begin(), parts.begin() + n);
    i += c.bytes;
  }
  return points;
}

int combining_class(utf8proc_int32_t point) noexcept {
  return utf8proc_get_property(point)->combining_class;
}

// Puts neighbouring marks in the order of their classes. utf8proc's own decomposition of a text
// does so too, by exchanging neighbours: 18 s for 128 KB of marks.
void order_marks(std::vector<utf8proc_int32_t>& points) {
  for (auto at = points.begin(); at != points.end();) {
    const auto end = std::find_if(at, points.end(), [](auto p) { return combining_class(p) == 0; });
    std::ranges::stable_sort(at, end, {}, combining_class);
    at = end == points.end() ? end : end + 1;
  }
}

}  // namespace

bool is_whitespace(std::uint32_t c) noexcept {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_numeric(std::uint32_t c) noexcept {
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO;
}

bool is_punctuation(std::uint32_t c) noexcept {
  if (c < 0x80) {
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126);
  }
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO;
}

bool is_mark(std::uint32_t c) noexcept {
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_MN && kind <= UTF8PROC_CATEGORY_ME;
}

bool is_nonspacing_mark(std::uint32_t c) noexcept { return category(c) == UTF8PROC_CATEGORY_MN; }

bool is_other(std::uint32_t c) noexcept { return category(c) >= UTF8PROC_CATEGORY_CC; }

bool is_word(std::uint32_t c) noexcept {
  const auto kind = category(c);
  return (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_NL) ||  // L, M, Nd, Nl
         kind == UTF8PROC_CATEGORY_PC || c == 0x200c || c == 0x200d || is_alphabetic_symbol(c);
}

void append_lowercase(std::string& out, std::uint32_t c) {
  if (c == 0x130) {  // the one letter whose lower case is two code points
    out += "i\xcc\x87";
    return;
  }
  append_utf8(out, static_cast<std::uint32_t>(utf8proc_tolower(static_cast<std::int32_t>(c))));
}

std::string normalize(std::string_view text, Form form) {
  if (is_ascii_only(text)) return std::string(text);
  int options = UTF8PROC_STABLE;
  options |= form == Form::nfc || form == Form::nfkc ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
  if (form == Form::nfkc || form == Form::nfkd) options |= UTF8PROC_COMPAT;
  const auto option = static_cast<utf8proc_option_t>(options);
  std::vector<utf8proc_int32_t> points = decomposed(text, option);
  order_marks(points);
  const auto length =
      utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()), option);
  std::string out;
  out.reserve(text.size());
  for (utf8proc_ssize_t i = 0; i < length; ++i) {
    append_utf8(out, static_cast<std::uint32_t>(points[static_cast<std::size_t>(i)]));
  }
  return out;
}

std::size_t grapheme_bytes(std::string_view text) noexcept {
  utf8proc_int32_t state = 0;
  CodePoint previous = code_point_at(text, 0);
  std::size_t end = previous.bytes;
  while (end < text.size()) {
    const CodePoint next = code_point_at(text, end);
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(previous.value),
                                         static_cast<utf8proc_int32_t>(next.value), &state)) {
      break;
    }
    end += next.bytes;
    previous = next;
  }
  return end;
}

}  // namespace limbeck::unicode
