#include "limbeck/text/unicode.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>

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
  utf8proc_uint8_t* raw = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   static_cast<utf8proc_ssize_t>(text.size()), &raw,
                                   static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> bytes(raw, &std::free);
  if (length < 0) fail(ErrorKind::format, "Unicode normalization: {}", utf8proc_errmsg(length));
  return {reinterpret_cast<const char*>(raw), static_cast<std::size_t>(length)};
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
