#include "limbeck/text/token_model.h"

#include <fmt/core.h>

#include "limbeck/text/byte_level.h"

namespace limbeck {

PieceIndex index_of(const ModelSpec& spec) {
  PieceIndex index;
  index.reserve(spec.pieces.size());
  for (std::size_t id = 0; id < spec.pieces.size(); ++id) {
    if (spec.pieces[id]) index.insert_or_assign(*spec.pieces[id], static_cast<TokenId>(id));
  }
  return index;
}

bool has_all_bytes(const ModelSpec& spec) {
  constexpr std::size_t kBytesOfUtf8 = 243;  // all but c0, c1, f5 ... ff, which no text has
  std::size_t n = 0;
  for (const auto& piece : spec.pieces) {
    if (!piece || piece->empty() || piece->size() > 2) continue;
    const auto bytes = byte_level::to_bytes(*piece);
    if (!bytes || bytes->size() != 1) continue;
    const auto b = static_cast<std::uint8_t>((*bytes)[0]);
    n += b != 0xc0 && b != 0xc1 && b < 0xf5;
  }
  return n == kBytesOfUtf8;
}

ByteTokens::ByteTokens(const ModelSpec& spec) {
  if (!spec.byte_fallback) return;
  const PieceIndex index = index_of(spec);
  for (int b = 0; b < 256; ++b) {
    const auto found = index.find(fmt::format("<0x{:02X}>", b));
    ids_.push_back(found == index.end() ? -1 : found->second);
  }
}

bool ByteTokens::append(std::string_view text, std::vector<TokenId>& out) const {
  if (ids_.empty()) return false;
  const std::size_t before = out.size();
  for (const char b : text) {
    const TokenId id = ids_[static_cast<std::uint8_t>(b)];
    if (id < 0) {
      out.resize(before);
      return false;
    }
    out.push_back(id);
  }
  return true;
}

}  // namespace limbeck
