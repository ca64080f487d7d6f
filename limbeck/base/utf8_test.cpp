#include "limbeck/base/utf8.h"

#include <gtest/gtest.h>

namespace limbeck {
namespace {

TEST(Utf8, EveryCodePointRoundTrips) {
  for (std::uint32_t c = 0; c <= 0x10ffff; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    std::string text;
    append_utf8(text, c);
    const CodePoint found = code_point_at(text, 0);
    ASSERT_TRUE(found.valid && found.value == c && found.bytes == text.size()) << c;
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      ASSERT_EQ(complete_utf8_prefix(text.substr(0, cut)), 0u) << c;
    }
  }
}

TEST(Utf8, RefusesWhatRfc3629Refuses) {
  for (const char* text :
       {"\x80", "\xc0\xaf", "\xc1\x81", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "\xe2\x82", "a\xc3"}) {
    EXPECT_FALSE(is_utf8(text));
  }
  EXPECT_TRUE(is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
  EXPECT_TRUE(is_utf8(""));
}

// Expected values: Python's bytes.decode("utf-8", "replace").
TEST(Utf8, ReplacesMaximalSubparts) {
  const std::string r = "\xef\xbf\xbd";
  EXPECT_EQ(replace_invalid_utf8("a\xf1\x80\x80\xe1\x80\xc2z"), "a" + r + r + r + "z");
  EXPECT_EQ(replace_invalid_utf8("\xed\xa0\x80"), r + r + r);
  EXPECT_EQ(replace_invalid_utf8("\xe2\x82"), r);
  EXPECT_EQ(replace_invalid_utf8("\xc3\xa9"), "\xc3\xa9");
}

TEST(Utf8, PrefixStopsBeforeACharacterStillOpen) {
  EXPECT_EQ(complete_utf8_prefix("ab\xf0\x9f\x98"), 2u);
  EXPECT_EQ(complete_utf8_prefix("ab\xe2\x82\xac"), 5u);
  EXPECT_EQ(complete_utf8_prefix("ab\xff"), 3u);  // nothing can complete it
  EXPECT_EQ(complete_utf8_prefix("\xe2\x82\xac\xc3"), 3u);
  EXPECT_EQ(complete_utf8_prefix(""), 0u);
}

}  // namespace
}  // namespace limbeck
