#include "limbeck/format/rows.h"

#include <gtest/gtest.h>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"

namespace limbeck {
namespace {

std::string json_refusal(std::string_view text) {
  try {
    parse_jsonl(text, "f.jsonl");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return error.what();
  }
  return "accepted";
}

std::string csv_refusal(std::string_view text) {
  try {
    parse_delimited(text, ',', "f.csv");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return error.what();
  }
  return "accepted";
}

TEST(Jsonl, ObjectsWithTheirLines) {
  const auto rows = parse_jsonl("\xef\xbb\xbf{\"a\":1}\r\n\n  \n{\"b\":[2]}", "t");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].value, Json::parse("{\"a\":1}"));
  EXPECT_EQ(rows[0].line, 1u);
  EXPECT_EQ(rows[1].line, 4u);
  EXPECT_TRUE(parse_jsonl("", "t").empty());
}

TEST(Jsonl, RefusalsNameTheLine) {
  EXPECT_EQ(json_refusal("{}\n[1]\n"), "f.jsonl:2: an object {...} is needed on each line");
  EXPECT_EQ(json_refusal("{}\n\n{\"a\":}\n").substr(0, 12), "f.jsonl:3:6:");
  EXPECT_EQ(json_refusal("{}\n" + std::string((16u << 20) + 1, 'x')),
            "f.jsonl:2: the line is over 16777216 bytes");
  for (const char* text : {"{} {}", "{", "null", "{\"a\":\"\xff\"}", "{\"a\":1,\"a\":2}"}) {
    EXPECT_NE(json_refusal(text), "accepted") << text;
  }
}

TEST(Delimited, Rfc4180) {
  const auto rows = parse_delimited(
      "\xef\xbb\xbftext,label\r\n\"a, \"\"b\"\"\nc\",x\r\n\nplain,\n,\"\"", ',', "t");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].value.dump(), R"({"text":"a, \"b\"\nc","label":"x"})");
  EXPECT_EQ(rows[0].line, 2u);
  EXPECT_EQ(rows[1].value.dump(), R"({"text":"plain","label":""})");
  EXPECT_EQ(rows[1].line, 5u);
  EXPECT_EQ(rows[2].value.dump(), R"({"text":"","label":""})");
  EXPECT_EQ(parse_delimited("a\tb\n1,2\t3\n", '\t', "t")[0].value.dump(), R"({"a":"1,2","b":"3"})");
  EXPECT_TRUE(parse_delimited("a,b", ',', "t").empty());
}

TEST(Delimited, RefusalsNameTheLine) {
  EXPECT_EQ(csv_refusal("a,b\n1,2\n\"x\ny\",1,2\n"), "f.csv:3: 3 fields, the header has 2");
  EXPECT_EQ(csv_refusal("a,b\n1,\"x\n"), "f.csv:2: a quote is never closed");
  EXPECT_EQ(csv_refusal("a,b\n\"x\"y,1\n"), "f.csv:2: text after a closing quote");
  EXPECT_EQ(csv_refusal("a,a\n"), "f.csv:1: the column 'a' is there twice");
  EXPECT_EQ(csv_refusal(""), "f.csv:1: there is no header line");
  EXPECT_EQ(csv_refusal("a\n\xff\n"), "f.csv:2: a field is not UTF-8");
  EXPECT_NE(csv_refusal(std::string(5000, ',')), "accepted");
  EXPECT_NE(csv_refusal("a\n" + std::string((16u << 20) + 1, 'x')), "accepted");
}

TEST(Rows, ByExtension) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "rows_test";
  write_file(folder / "a.csv", "x\n1\n");
  write_file(folder / "a.tsv", "x\ty\n1\t2\n");
  write_file(folder / "a.json", "[{\"x\":1}]");
  write_file(folder / "b.json", "{\"x\":1}");
  write_file(folder / "a.txt", "x");
  write_jsonl(folder / "a.jsonl", {Json::parse("{\"x\":\"\\n\"}"), Json::parse("{}")});
  EXPECT_EQ(read_rows(folder / "a.csv").size(), 1u);
  EXPECT_EQ(read_rows(folder / "a.tsv")[0].value["y"], "2");
  EXPECT_EQ(read_rows(folder / "a.json")[0].value["x"], 1);
  EXPECT_EQ(read_rows(folder / "a.jsonl").size(), 2u);
  EXPECT_EQ(read_rows(folder / "a.jsonl")[0].value["x"], "\n");
  EXPECT_THROW(read_rows(folder / "b.json"), Error);
  EXPECT_THROW(read_rows(folder / "a.txt"), Error);
  EXPECT_THROW(read_rows(folder / "missing.csv"), Error);
  std::filesystem::remove_all(folder);
}

TEST(Rows, CellsCannotBecomeFormulas) {
  EXPECT_EQ(csv_cell("=cmd()"), "'=cmd()");
  EXPECT_EQ(csv_cell("-1"), "'-1");
  EXPECT_EQ(csv_cell("@a,b"), "\"'@a,b\"");
  EXPECT_EQ(csv_cell("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(csv_cell("plain"), "plain");
  EXPECT_EQ(csv_cell(""), "");
}

}  // namespace
}  // namespace limbeck
