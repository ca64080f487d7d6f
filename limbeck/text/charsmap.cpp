#include "limbeck/text/charsmap.h"

#include <cstring>

#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"
#include "limbeck/text/base64.h"
#include "limbeck/text/unicode.h"

namespace limbeck {
namespace {

// A unit of darts-clone: label in the low byte (and bit 31 for leaves), bit 8 "a value hangs here",
// the offset to the children in the high bits, scaled by 256 if bit 9 is set.
bool has_leaf(std::uint32_t unit) { return unit >> 8 & 1; }
std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7fffffffu; }
std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000ffu; }
std::size_t offset_of(std::uint32_t unit) { return unit >> 10 << ((unit & 0x200u) >> 6); }

}  // namespace

Charsmap Charsmap::parse(std::string_view bytes, std::string_view origin) {
  std::uint32_t trie_bytes = 0;
  if (bytes.size() < sizeof trie_bytes) {
    fail(ErrorKind::format, "{}: a charsmap of {} bytes is too short", origin, bytes.size());
  }
  std::memcpy(&trie_bytes, bytes.data(), sizeof trie_bytes);
  if (trie_bytes % 4 != 0 || trie_bytes == 0 || trie_bytes > bytes.size() - sizeof trie_bytes) {
    fail(ErrorKind::format, "{}: a charsmap of {} bytes says that its trie has {}", origin,
         bytes.size(), trie_bytes);
  }
  Charsmap map;
  map.units_.resize(trie_bytes / 4);
  std::memcpy(map.units_.data(), bytes.data() + sizeof trie_bytes, trie_bytes);
  map.replacements_ = bytes.substr(sizeof trie_bytes + trie_bytes);
  if (!is_utf8(map.replacements_)) {
    fail(ErrorKind::format, "{}: the replacements of a charsmap are not UTF-8", origin);
  }
  return map;
}

Charsmap Charsmap::from_base64(std::string_view text, std::string_view origin) {
  const auto bytes = limbeck::from_base64(text);
  if (!bytes) fail(ErrorKind::format, "{}: a charsmap that is not base64", origin);
  return parse(*bytes, origin);
}

template <typename Found>
void Charsmap::each(std::string_view text, Found&& found) const {
  std::size_t at = offset_of(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    if (byte == 0) return;  // no key holds a zero
    at ^= byte;
    if (at >= units_.size()) return;
    const std::uint32_t unit = units_[at];
    if (label_of(unit) != byte) return;
    at ^= offset_of(unit);
    if (at >= units_.size()) return;
    if (!has_leaf(unit)) continue;
    const std::size_t start = value_of(units_[at]);
    if (start > replacements_.size()) continue;
    const auto end = replacements_.find('\0', start);
    if (!found(Match{i + 1, std::string_view(replacements_).substr(start, end - start)})) return;
  }
}

std::optional<Charsmap::Match> Charsmap::shortest(std::string_view text) const {
  std::optional<Match> first;
  each(text, [&](const Match& match) {
    first = match;
    return false;
  });
  return first;
}

std::optional<Charsmap::Match> Charsmap::longest(std::string_view text) const {
  std::optional<Match> last;
  each(text, [&](const Match& match) {
    last = match;
    return true;
  });
  return last;
}

std::string Charsmap::apply(std::string_view text, const TextGrowth& growth) const {
  constexpr std::size_t kLongCluster = 6;  // bytes; spm_precompiled's number
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view cluster = text.substr(i, unicode::grapheme_bytes(text.substr(i)));
    i += cluster.size();
    const auto whole = cluster.size() < kLongCluster ? shortest(cluster) : std::nullopt;
    growth.check(out.size());
    if (whole) {
      out += whole->replacement;
      continue;
    }
    for (std::size_t j = 0; j < cluster.size();) {
      const std::string_view character = cluster.substr(j, code_point_at(cluster, j).bytes);
      const auto match = shortest(character);
      out += match ? match->replacement : character;
      growth.check(out.size());
      j += character.size();
    }
  }
  return out;
}

}  // namespace limbeck
