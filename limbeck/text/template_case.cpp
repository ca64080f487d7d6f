#include "limbeck/text/template_case.h"

#include <utf8proc.h>

#include <array>

#include "limbeck/base/utf8.h"

namespace limbeck::jinja {
namespace {

struct Special {
  std::uint32_t from;
  std::string_view upper, title;
};
// The upper cases of more than one character that prompts can hold (Unicode SpecialCasing.txt).
constexpr Special kSpecial[] = {
    {0xdf, "SS", "Ss"},
    {0x149, "\u02bcN", "\u02bcN"},
    {0x1f0, "J\u030c", "J\u030c"},
    {0x587, "\u0535\u0552", "\u0535\u0582"},
    {0xfb00, "FF", "Ff"},
    {0xfb01, "FI", "Fi"},
    {0xfb02, "FL", "Fl"},
    {0xfb03, "FFI", "Ffi"},
    {0xfb04, "FFL", "Ffl"},
    {0xfb05, "ST", "St"},
    {0xfb06, "ST", "St"},
};

bool is_cased(std::uint32_t c) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
         category == UTF8PROC_CATEGORY_LT;
}

std::string mapped(std::uint32_t c, Case to) {
  if (to == Case::lower && c == 0x130) return "i\u0307";
  if (to != Case::lower)
    for (const Special& special : kSpecial)
      if (special.from == c) return std::string(to == Case::upper ? special.upper : special.title);
  const auto point = static_cast<utf8proc_int32_t>(c);
  std::string out;
  append_utf8(out, static_cast<std::uint32_t>(to == Case::upper   ? utf8proc_toupper(point)
                                              : to == Case::lower ? utf8proc_tolower(point)
                                                                  : utf8proc_totitle(point)));
  return out;
}

// A capital sigma is final when it follows a letter and none follows it.
bool final_sigma(std::string_view text, std::size_t at, bool after_cased) {
  if (!after_cased) return false;
  const std::size_t next = at + 2;
  return next >= text.size() || !is_cased(code_point_at(text, next).value);
}

}  // namespace

TextPtr change_case(Budget& budget, const Text& text, Case to) {
  TextBuilder out(budget);
  budget.step(text.bytes.size() / 32);
  bool after_cased = false;
  std::size_t at = 0;
  for (const Run& run : text.runs) {
    std::string part;
    while (at < run.end) {
      const CodePoint point = code_point_at(text.bytes, at);
      const std::uint32_t c = point.value;
      Case how = to;
      if (to == Case::title) how = after_cased ? Case::lower : Case::title;
      if (to == Case::capitalize) how = at == 0 ? Case::title : Case::lower;
      if (to == Case::swap)
        how = utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_LU
                  ? Case::lower
                  : Case::upper;
      if (how == Case::lower && c == 0x3a3 && final_sigma(text.bytes, at, after_cased))
        part += "\u03c2";
      else
        part += mapped(c, how);
      after_cased = is_cased(c);
      at += point.bytes;
    }
    out.append(part, run.trusted);
  }
  return out.take(text.markup);
}

}  // namespace limbeck::jinja
