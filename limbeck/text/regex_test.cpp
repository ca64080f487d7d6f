#include "limbeck/text/regex.h"

#include <gtest/gtest.h>

#include "limbeck/base/error.h"
#include "limbeck/base/patience_test.h"

namespace limbeck {
namespace {

using Matches = std::vector<std::string>;

Matches matches(std::string_view pattern, std::string_view text) {
  Matches found;
  Regex::compile(pattern, "test").for_each_match(text, [&](std::size_t begin, std::size_t end) {
    found.emplace_back(text.substr(begin, end - begin));
  });
  return found;
}

// Expected values: the `onig` engine of the tokenizers package.
TEST(Regex, ReadsOnigurumaAsOnigurumaDoes) {
  EXPECT_EQ(matches("\\h+", "fg0\t"), (Matches{"f", "0"}));  // hexadecimal digits
  EXPECT_EQ(matches("\\v", "a\x0b\n"), (Matches{"\x0b"}));   // one character
  EXPECT_EQ(matches("^a", "a\na"), (Matches{"a", "a"}));     // lines, always
  EXPECT_EQ(matches("a$", "a\na"), (Matches{"a", "a"}));
  EXPECT_EQ(matches("(?m).", "\n"), (Matches{"\n"}));  // m: dot matches newline
  EXPECT_EQ(matches("a(?i)b|c", "aBaCcab"), (Matches{"aB", "aC", "ab"}));
  EXPECT_EQ(matches("a{,2}b", "aaab"), (Matches{"aab"}));
  EXPECT_EQ(matches("a{2}+", "aaaaa"), (Matches{"aaaa"}));      // repeats, not possessive
  EXPECT_EQ(matches("ba{2}?", "baab"), (Matches{"baa", "b"}));  // optional, not lazy
  EXPECT_EQ(matches("a{x", "a{x"), (Matches{"a{x"}));
  EXPECT_EQ(matches("[a-c&&[^b]]+", "abcab"), (Matches{"a", "ca"}));
  EXPECT_EQ(matches("[x[0-9]]+", "x12y"), (Matches{"x12"}));
  EXPECT_EQ(matches("[\\W_]+", "a_-b"), (Matches{"_-"}));
  EXPECT_EQ(matches("\\u0041\\x{42}\\x43", "ABC"), (Matches{"ABC"}));
  EXPECT_EQ(matches("\\p{^Lu}\\p{Letter}", "aBc"), (Matches{"aB"}));
}

TEST(Regex, KnowsUnicodeAsOnigurumaDoes) {
  EXPECT_EQ(matches("\\s", "\u0085\u180e\u00a0\u200b\u2003"),
            (Matches{"\u0085", "\u00a0", "\u2003"}));
  EXPECT_EQ(matches("\\w", "\u00bd\u0345\u2163\u2460\u200d"),
            (Matches{"\u00bd", "\u0345", "\u2163"}));
  EXPECT_EQ(matches("[\\w]", "\u00bd\u0345"), (Matches{"\u0345"}));
  EXPECT_EQ(matches("[[:punct:]]", "$\u20ac!"), (Matches{"$", "\u20ac", "!"}));
  EXPECT_EQ(matches("\\p{Punct}", "$\u20ac!"), (Matches{"!"}));
  EXPECT_EQ(matches("(?i:'s)", "'\u017f"), (Matches{"'\u017f"}));  // long s
}

TEST(Regex, EmptyMatchesMoveOn) {
  EXPECT_EQ(matches("a*", "baac"), (Matches{"", "aa", ""}));
  EXPECT_EQ(matches("", "\u00e9"), (Matches{"", ""}));
}

// Matches are looked for within a kilobyte first.
TEST(Regex, SeesWhatComesAfterTheBytesItLooksAtFirst) {
  for (const std::size_t n : {1022, 1023, 1024, 1025, 2000}) {
    const std::string run(n, 'a');
    EXPECT_EQ(matches("a+", run + "b" + run), (Matches{run, run}));
    EXPECT_EQ(matches("a+$", run + "b" + run), (Matches{run}));
    EXPECT_EQ(matches("a*+(?!b)", run + "b"), (Matches{""}));
    EXPECT_EQ(matches("(?<=a)b", run + "b"), (Matches{"b"}));
    EXPECT_EQ(matches("c|(?=b)", run + "b"), (Matches{""}));
    EXPECT_EQ(matches("\\s+(?!\\S)|\\s+", std::string(n, ' ') + "b"),
              (Matches{std::string(n - 1, ' '), " "}));
  }
}

// Compiled code takes a run of characters as one step, so that steps do not bound the time.
TEST(Regex, PatternsWithoutEndAreStopped) {
  const ProcessTime time;
  for (const std::size_t n : {3000, 100'000}) {
    EXPECT_THROW(matches("a*a*b|a", std::string(n, 'a')), Error);
    EXPECT_THROW(matches("a*a*+b|a", std::string(n, 'a')), Error);
  }
  EXPECT_LT(time.seconds(), 5 * kPatience);
  EXPECT_EQ(matches("\\s*\\n|\\s+", std::string(4'000'000, ' ')).size(), 1u);
}

}  // namespace
}  // namespace limbeck
