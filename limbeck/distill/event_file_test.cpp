#include "limbeck/distill/event_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "limbeck/base/atomic_file.h"

namespace limbeck::distill {
namespace {

TEST(EventFile, CrcIsCastagnolis) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);  // RFC 3720, B.4
}

// The bytes after the checks of one record; moves `at` behind it.
std::string next_record(const std::string& file, std::size_t& at) {
  const auto number = [&](std::size_t from, std::size_t bytes) {
    std::uint64_t value = 0;
    std::memcpy(&value, file.data() + from, bytes);
    return value;
  };
  const auto unmasked = [&](std::size_t from) {
    const auto rotated = static_cast<std::uint32_t>(number(from, 4)) - 0xa282ead8u;
    return (rotated >> 17) | (rotated << 15);
  };
  const auto length = number(at, 8);
  EXPECT_EQ(unmasked(at + 8), crc32c(std::string_view(file).substr(at, 8)));
  const auto event = file.substr(at + 12, length);
  EXPECT_EQ(unmasked(at + 12 + length), crc32c(event));
  at += 16 + length;
  return event;
}

TEST(EventFile, RecordsAreCheckedAndHoldTheScalars) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("limbeck-events-" + std::to_string(::getpid()));
  {
    EventFile events(folder, 1);
    events.add(300, {{"loss", 1.5}});
  }
  std::string file;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    file = read_file(entry.path(), 1 << 20);
  }
  std::size_t at = 0;
  EXPECT_NE(next_record(file, at).find("brain.Event:2"), std::string::npos);
  next_record(file, at);  // session start
  const auto event = next_record(file, at);
  EXPECT_EQ(at, file.size());
  EXPECT_EQ(event.substr(9, 3), "\x10\xac\x02");  // step 300
  const float value = 1.5f;
  std::string scalar = "\x0a\x04loss\x15";  // tag, simple_value
  scalar.append(reinterpret_cast<const char*>(&value), 4);
  EXPECT_EQ(event.substr(12), std::string("\x2a\x0d\x0a\x0b") + scalar);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace limbeck::distill
