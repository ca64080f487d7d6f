#include "limbeck/base/terminal.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

TEST(Terminal, ForeignTextCannotDriveIt) {
  EXPECT_EQ(safe_tty("a\x1b[31m\x07\r\n\t\x7f"), "a\\x1b[31m\\x07\\x0d\\x0a\\x09\\x7f");
  EXPECT_EQ(safe_tty("a\n\tb\r", true), "a\n\tb\\x0d");
  EXPECT_EQ(safe_tty("\xc2\x9b"
                     "31m"),
            "\\x9b31m");  // C1 control sequence introducer
  EXPECT_EQ(safe_tty("\xff\xc3\xa9"), "\\xff\xc3\xa9");
}

TEST(Terminal, EnvironmentDecides) {
  ::setenv("COLUMNS", "72", 1);
  EXPECT_EQ(terminal_columns(1), 72);
  ::setenv("COLUMNS", "x", 1);
  EXPECT_GT(terminal_columns(1), 0);
  ::unsetenv("COLUMNS");
  ::setenv("CLICOLOR_FORCE", "1", 1);
  EXPECT_TRUE(use_color(-1));
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(use_color(-1));
  ::unsetenv("NO_COLOR");
  ::unsetenv("CLICOLOR_FORCE");
  EXPECT_FALSE(use_color(-1));
}

TEST(Terminal, Tables) {
  EXPECT_EQ(text_table({{"model", "size"}, {"q4", "1.0 MB"}, {"\xe6\xbc\xa2", ""}}),
            "model    size\n"
            "q4     1.0 MB\n"
            "\xe6\xbc\xa2\n");
  EXPECT_EQ(display_width("e\xcc\x81"), 1);
  EXPECT_EQ(text_table({}), "");
}

TEST(Terminal, HumanNumbers) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1234567), "1.23 MB");
  EXPECT_EQ(human_bytes(456'000), "456 kB");
  EXPECT_EQ(human_bytes(999'999), "1.00 MB");
  EXPECT_EQ(human_seconds(0.012), "12 ms");
  EXPECT_EQ(human_seconds(3.21), "3.2 s");
  EXPECT_EQ(human_seconds(512), "8m 32s");
  EXPECT_EQ(human_seconds(3720), "1h 02m");
  EXPECT_EQ(human_seconds(-1), "0 ms");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(1234567), "1,234,567");
  EXPECT_EQ(human_count(-1234), "-1,234");
}

TEST(Terminal, Sizes) {
  EXPECT_EQ(parse_bytes("300MB", "--size"), 300'000'000u);
  EXPECT_EQ(parse_bytes("2GiB", "--size"), std::uint64_t{2} << 30);
  EXPECT_EQ(parse_bytes("1.5 kb", "--size"), 1500u);
  EXPECT_EQ(parse_bytes("1500000", "--size"), 1'500'000u);
  for (const char* text : {"", "MB", "-1", "5XB", "1e30", "99999999999TB", "1 2", "nan", "inf"}) {
    EXPECT_THROW(parse_bytes(text, "--size"), Error) << text;
  }
}

}  // namespace
}  // namespace limbeck
