// The one bounded reader under every binary format: each read is checked against the bytes left,
// so no length from a file is trusted before use.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "limbeck/base/error.h"
#include "limbeck/base/terminal.h"

namespace limbeck {

static_assert(std::endian::native == std::endian::little, "file formats here are little-endian");

class ByteReader {
 public:
  // `origin` names the file in errors. The bytes must outlive the reader.
  ByteReader(std::span<const std::byte> bytes, std::string_view origin)
      : bytes_(bytes), origin_(origin) {}

  std::size_t offset() const noexcept { return offset_; }
  std::size_t left() const noexcept { return bytes_.size() - offset_; }
  const std::string& origin() const noexcept { return origin_; }

  // One little-endian number. Throws Error{format} at the end of the bytes; `what` names the field,
  // and may come from the file itself: it is escaped, and only when an error is made of it.
  template <typename T>
  requires std::integral<T> || std::floating_point<T> T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  // The next `n` bytes, viewed in place. Throws Error{format} if fewer are left.
  std::span<const std::byte> take(std::uint64_t n, std::string_view what) {
    if (n > left()) {
      fail(ErrorKind::format, "{}: {} at offset {} needs {} bytes but {} are left", origin_,
           safe_tty(what), offset_, n, left());
    }
    const auto taken = bytes_.subspan(offset_, static_cast<std::size_t>(n));
    offset_ += static_cast<std::size_t>(n);
    return taken;
  }

  // A u64 length and that many bytes. Throws Error{format} over `limit` or past the end.
  std::string_view string(std::uint64_t limit, std::string_view what) {
    const auto length = number<std::uint64_t>(what);
    if (length > limit) {
      fail(ErrorKind::format, "{}: {} at offset {} is {} bytes long, the limit is {}", origin_,
           safe_tty(what), offset_, length, limit);
    }
    const auto bytes = take(length, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  std::span<const std::byte> bytes_;
  std::string origin_;
  std::size_t offset_ = 0;
};

}  // namespace limbeck
