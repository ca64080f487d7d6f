#include "limbeck/text/byte_level.h"

#include <array>

#include "limbeck/base/utf8.h"

namespace limbeck::byte_level {
namespace {

struct Tables {
  std::array<std::uint32_t, 256> character{};
  std::array<std::int16_t, 324> byte{};  // characters reach U+0143
};

constexpr bool is_printable(unsigned b) {
  return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
}

constexpr Tables make_tables() {
  Tables tables;
  for (auto& b : tables.byte) b = -1;
  unsigned next = 256;
  for (unsigned b = 0; b < 256; ++b) {
    const unsigned c = is_printable(b) ? b : next++;
    tables.character[b] = c;
    tables.byte[c] = static_cast<std::int16_t>(b);
  }
  return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

std::uint32_t character(std::uint8_t byte) noexcept { return kTables.character[byte]; }

std::optional<std::uint8_t> byte(std::uint32_t character) noexcept {
  if (character >= kTables.byte.size() || kTables.byte[character] < 0) return std::nullopt;
  return static_cast<std::uint8_t>(kTables.byte[character]);
}

std::string to_characters(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char b : bytes) append_utf8(out, character(static_cast<std::uint8_t>(b)));
  return out;
}

std::optional<std::string> to_bytes(std::string_view characters) {
  std::string out;
  out.reserve(characters.size());
  for (std::size_t i = 0; i < characters.size();) {
    const CodePoint c = code_point_at(characters, i);
    const auto b = byte(c.value);
    if (!c.valid || !b) return std::nullopt;
    out += static_cast<char>(*b);
    i += c.bytes;
  }
  return out;
}

}  // namespace limbeck::byte_level
