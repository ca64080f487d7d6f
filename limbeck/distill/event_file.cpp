#include "limbeck/distill/event_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>

#include "limbeck/base/error.h"

namespace limbeck::distill {
namespace {

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1) ? 0x82f63b78u : 0u);
    table[i] = c;
  }
  return table;
}

std::string little_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

// A CRC of data that holds CRCs is a poor one, so TFRecord rotates it and adds a constant.
std::string masked_crc(std::string_view bytes) {
  const auto crc = crc32c(bytes);
  return little_endian(((crc >> 15) | (crc << 17)) + 0xa282ead8u, 4);
}

// Protocol-buffer wire format: key = field number << 3 | wire type.
std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  return out + static_cast<char>(value);
}
std::string number(int field, std::int64_t value) {
  return varint(static_cast<std::uint64_t>(field) << 3) + varint(static_cast<std::uint64_t>(value));
}
std::string real64(int field, double value) {
  return varint(static_cast<std::uint64_t>(field) << 3 | 1) +
         little_endian(std::bit_cast<std::uint64_t>(value), 8);
}
std::string real32(int field, float value) {
  return varint(static_cast<std::uint64_t>(field) << 3 | 5) +
         little_endian(std::bit_cast<std::uint32_t>(value), 4);
}
std::string nested(int field, std::string_view bytes) {
  return varint(static_cast<std::uint64_t>(field) << 3 | 2) + varint(bytes.size()) +
         std::string(bytes);
}

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) noexcept {
  static constexpr auto kTable = crc_table();
  std::uint32_t c = 0xffffffffu;
  for (const char byte : bytes) {
    c = (c >> 8) ^ kTable[(c ^ static_cast<unsigned char>(byte)) & 0xff];
  }
  return ~c;
}

EventFile::EventFile(const std::filesystem::path& folder, std::int64_t first_step) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const double now = wall_time();
  const auto path = folder / fmt::format("events.out.tfevents.{:.0f}.{}.limbeck", now, ::getpid());
  file_.open(path, std::ios::binary | std::ios::app);
  if (!file_) fail(ErrorKind::io, "{}: cannot be written", path.string());
  write(real64(1, now) + nested(3, "brain.Event:2"));  // file_version
  constexpr int kStart = 1;                            // session_log {status: START}
  write(real64(1, now) + number(2, first_step) + nested(7, number(1, kStart)));
}

void EventFile::add(std::int64_t step, const std::vector<std::pair<std::string, double>>& scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars) {
    summary += nested(1, nested(1, tag) + real32(2, static_cast<float>(value)));
  }
  write(real64(1, wall_time()) + number(2, step) + nested(5, summary));
}

void EventFile::write(std::string_view event) {
  const auto length = little_endian(event.size(), 8);
  file_ << length << masked_crc(length) << event << masked_crc(event) << std::flush;
}

}  // namespace limbeck::distill
