#include "limbeck/distill/train_data.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "limbeck/base/error.h"

namespace limbeck::distill {
namespace {

TEST(TrainData, RefusesMessagesThatAreNone) {
  const Tokenizer tokenizer = Tokenizer::from_json(
      R"({"model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0}}})", "", "made");
  const auto file = std::filesystem::path(testing::TempDir()) / "no_messages.jsonl";
  for (const char* messages :
       {"1", "[1]", R"({"role": 5})", R"({"role": "assistant", "tool_calls": [7]})",
        R"({"role": "assistant", "tool_calls": [{"function": {"name": 7}}]})"}) {
    std::ofstream(file) << R"({"messages": [)" << messages << "]}\n";
    DataSource source;
    source.file = file;
    try {
      read_train_data({source}, tokenizer, 16, 1);
      ADD_FAILURE() << messages;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::format) << error.what();
      EXPECT_NE(std::string(error.what()).find("no_messages.jsonl:1"), std::string::npos);
    }
  }
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace limbeck::distill
