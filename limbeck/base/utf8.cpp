#include "limbeck/base/utf8.h"

namespace limbeck {
namespace {

struct Decoded {
  std::uint32_t value = 0xfffd;
  std::size_t bytes = 1;  // of the character, or of the maximal part of one
  bool valid = false;
  bool cut = false;  // more bytes could have completed it
};

// Table 3-7 of the Unicode Standard: the second byte's range excludes overlong forms, surrogates
// and values over U+10FFFF.
Decoded decode(std::string_view text, std::size_t offset) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[offset + i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return {first, 1, true, false};
  if (first < 0xc2 || first > 0xf4) return {};
  const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  std::uint8_t low = 0x80, high = 0xbf;
  if (first == 0xe0) low = 0xa0;
  if (first == 0xed) high = 0x9f;
  if (first == 0xf0) low = 0x90;
  if (first == 0xf4) high = 0x8f;
  std::uint32_t value = first & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i, low = 0x80, high = 0xbf) {
    if (offset + i == text.size()) return {0xfffd, i, false, true};
    if (byte(i) < low || byte(i) > high) return {0xfffd, i, false, false};
    value = value << 6 | (byte(i) & 0x3fu);
  }
  return {value, length, true, false};
}

}  // namespace

CodePoint code_point_at(std::string_view text, std::size_t offset) noexcept {
  const Decoded found = decode(text, offset);
  return {found.value, found.valid ? found.bytes : 1, found.valid};
}

void append_utf8(std::string& out, std::uint32_t code_point) {
  const auto tail = [&](int shift) {
    out += static_cast<char>(0x80u | (code_point >> shift & 0x3fu));
  };
  if (code_point > 0x10ffff || (code_point >= 0xd800 && code_point < 0xe000)) code_point = 0xfffd;
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xc0u | code_point >> 6);
    tail(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xe0u | code_point >> 12);
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xf0u | code_point >> 18);
    tail(12), tail(6), tail(0);
  }
}

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const Decoded found = decode(text, i);
    if (!found.valid) return false;
    i += found.bytes;
  }
  return true;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Decoded found = decode(text, i);
    if (found.valid) {
      out += text.substr(i, found.bytes);
    } else {
      append_utf8(out, 0xfffd);
    }
    i += found.bytes;
  }
  return out;
}

std::size_t complete_utf8_prefix(std::string_view text) noexcept {
  const std::size_t start = text.size() < 3 ? 0 : text.size() - 3;
  for (std::size_t i = start; i < text.size(); ++i) {
    if (decode(text, i).cut) return i;
  }
  return text.size();
}

}  // namespace limbeck
