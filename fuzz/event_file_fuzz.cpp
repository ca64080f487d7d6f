// TensorBoard's event files are written here and read by others: whatever the tags and values, what
// is written is records whose lengths and checksums hold, and whose fields end where they say.
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "fuzz/target.h"
#include "limbeck/base/atomic_file.h"
#include "limbeck/distill/event_file.h"

namespace {

using namespace limbeck;
namespace fs = std::filesystem;

std::uint64_t number(std::string_view bytes, std::size_t n) {
  std::uint64_t value = 0;
  fuzz::require(bytes.size() >= n, "a number is whole");
  std::memcpy(&value, bytes.data(), n);
  return value;
}

std::uint64_t varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    fuzz::require(!bytes.empty(), "a varint ends");
    const auto byte = static_cast<std::uint8_t>(bytes[0]);
    bytes.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 127) << std::min(shift, 63);
    if (byte < 128) return value;
  }
  fuzz::require(false, "a varint has ten bytes at most");
  return 0;
}

// The fields of a message: `field` gets number, wire type and, of nested ones, the bytes.
template <typename Field>
void each_field(std::string_view bytes, const Field& field) {
  while (!bytes.empty()) {
    const std::uint64_t key = varint(bytes);
    std::size_t size = 0;
    std::uint64_t value = 0;
    switch (key & 7) {
      case 0:
        value = varint(bytes);
        break;
      case 1:
        size = 8;
        break;
      case 2:
        size = varint(bytes);
        break;
      case 5:
        size = 4;
        break;
      default:
        fuzz::require(false, "the wire type");
    }
    fuzz::require(size <= bytes.size(), "a field lies in its message");
    field(static_cast<int>(key >> 3), bytes.substr(0, size), value);
    bytes.remove_prefix(size);
  }
}

std::string_view record(std::string_view& file) {
  const auto masked = [](std::string_view bytes) {
    const std::uint32_t crc = distill::crc32c(bytes);
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
  };
  const std::uint64_t length = number(file, 8);
  fuzz::require(number(file.substr(8), 4) == masked(file.substr(0, 8)), "the length's checksum");
  fuzz::require(length + 16 <= file.size(), "a record is whole");
  const auto event = file.substr(12, length);
  fuzz::require(number(file.substr(12 + length), 4) == masked(event), "the event's checksum");
  file.remove_prefix(16 + length);
  return event;
}

// Emptied before each file.
const fs::path& folder() {
  static const fs::path path = [] {
    char name[] = "/tmp/limbeck-events-XXXXXX";
    if (!mkdtemp(name)) std::abort();
    std::atexit([] { fs::remove_all(folder()); });
    return fs::path(name);
  }();
  return path;
}

}  // namespace

// Eight bytes of a step, eight of a value, and tags with a NUL between them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 16) return 0;
  const auto bytes = fuzz::as_text(data, size);
  const auto step = static_cast<std::int64_t>(number(bytes, 8));
  double value = 0;
  std::memcpy(&value, data + 8, 8);
  std::vector<std::pair<std::string, double>> scalars;
  for (std::size_t at = 16; at < size;) {
    const auto end = std::min(bytes.find('\0', at), size);
    scalars.emplace_back(bytes.substr(at, end - at), value);
    at = end + 1;
  }
  for (const auto& entry : fs::directory_iterator(folder())) fs::remove(entry);
  distill::EventFile(folder(), step).add(step, scalars);
  const std::string written = read_file(fs::directory_iterator(folder())->path(), 1u << 20);
  std::string_view file = written;
  std::string_view last;
  int records = 0;
  for (; !file.empty(); ++records) last = record(file);
  fuzz::require(records == 3, "a version, a start and the scalars");
  std::size_t n = 0;
  each_field(last, [&](int field, std::string_view content, std::uint64_t whole) {
    if (field == 2) fuzz::require(static_cast<std::int64_t>(whole) == step, "the step");
    if (field != 5) return;
    each_field(content, [&](int, std::string_view scalar, std::uint64_t) {
      each_field(scalar, [&](int part, std::string_view tag, std::uint64_t) {
        if (part == 1) fuzz::require(tag == scalars.at(n).first, "the tag");
      });
      ++n;
    });
  });
  fuzz::require(n == scalars.size(), "every scalar is there");
  return 0;
}
