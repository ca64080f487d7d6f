// UTF-8 by code point (RFC 3629): overlong forms, surrogates and values over U+10FFFF are invalid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace limbeck {

struct CodePoint {
  std::uint32_t value;  // 0xfffd when invalid
  std::size_t bytes;    // consumed: 1 when invalid
  bool valid;
};

// The code point at text[offset]; offset < text.size().
CodePoint code_point_at(std::string_view text, std::size_t offset) noexcept;
void append_utf8(std::string& out, std::uint32_t code_point);
bool is_utf8(std::string_view text) noexcept;
// Invalid sequences become U+FFFD, one per maximal subpart (Unicode 15, section 3.9; as Python
// does).
std::string replace_invalid_utf8(std::string_view text);
// The length of the longest prefix that does not end inside a character that more bytes could
// complete.
std::size_t complete_utf8_prefix(std::string_view text) noexcept;

}  // namespace limbeck
