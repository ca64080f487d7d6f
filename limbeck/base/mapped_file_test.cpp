// Files that change under a mapping, and memory given back.
#include "limbeck/base/mapped_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/page_buffer.h"

namespace limbeck {
namespace {

std::filesystem::path scratch(const char* name) {
  return std::filesystem::path(testing::TempDir()) / (std::string("limbeck_mapped_") + name);
}

TEST(MappedFile, AFileThatShrinksIsAnErrorAndNotTheEnd) {
  const auto path = scratch("shrinks");
  write_file(path, std::string(100'000, 'x'));
  {
    const MappedFile file(path);
    EXPECT_EQ(file.bytes()[99'999], std::byte{'x'});
    EXPECT_NO_THROW(check_mapped_files());
    std::filesystem::resize_file(path, 10);
    int sum = 0;  // every byte, as a kernel would
    for (const std::byte byte : file.bytes()) sum += static_cast<int>(byte);
    EXPECT_LE(sum, 'x' * 100'000);
    try {
      check_mapped_files();
      ADD_FAILURE() << "nothing was noticed";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::io);
      EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos);
    }
    AtomicFile result(scratch("result"));
    result.write("computed of zeros");
    EXPECT_THROW(result.commit(), Error);
  }
  EXPECT_FALSE(std::filesystem::exists(scratch("result")));
  EXPECT_NO_THROW(check_mapped_files());  // the mapping is gone
  std::filesystem::remove(path);
}

TEST(MappedFile, ReleasedPagesComeBack) {
  const auto path = scratch("released");
  write_file(path, std::string(50'000, 'y'));
  const MappedFile file(path);
  release_mapped(file.bytes());
  release_mapped(file.bytes().subspan(7, 20'000));
  for (const std::byte byte : file.bytes()) ASSERT_EQ(byte, std::byte{'y'});
  const std::string own(20'000, 'z');  // not a file: must stay
  release_mapped(std::as_bytes(std::span(own)));
  EXPECT_EQ(own, std::string(20'000, 'z'));
  std::filesystem::remove(path);
}

TEST(PageBuffer, IsZeroUntilWrittenAndAfterRelease) {
  for (const auto pages : {PageBuffer::Pages::huge, PageBuffer::Pages::small}) {
    PageBuffer buffer(5'000'000, pages);
    ASSERT_EQ(buffer.bytes().size(), 5'000'000u);
    for (const std::uint8_t byte : buffer.bytes()) ASSERT_EQ(byte, 0);
    for (std::uint8_t& byte : buffer.bytes()) byte = 1;
    buffer.release(4'000'000, 5'000'000);
    EXPECT_EQ(buffer.bytes()[3'999'999], 1);
    EXPECT_EQ(buffer.bytes()[4'500'000], 0);
  }
  EXPECT_TRUE(PageBuffer(0).bytes().empty());
  EXPECT_THROW(PageBuffer(~std::size_t{0} / 2), Error);
}

}  // namespace
}  // namespace limbeck
