// Conversations as training rows: each answer by itself, or the whole as one row.
#include "limbeck/distill/train_data.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/distill/trainer_fixture_test.h"
#include "limbeck/text/chat_prompt.h"

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

struct TrainDataOf : testing::Test {
  TrainDataOf() {
    fs::create_directories(folder);
    write_file(
        folder / "rows.jsonl",
        R"({"messages":[{"role":"user","content":"the cat"},{"role":"assistant","content":"sat"},)"
        R"({"role":"user","content":"on"},{"role":"assistant","content":"the mat."}]})"
        "\n");
    BpeTrainOptions options;
    options.vocab_size = 280;
    options.chat_template = kDefaultChatTemplate;
    const auto trained = train_bpe(
        [](const std::function<void(std::string_view)>& f) { f("the cat sat on the mat."); },
        options);
    tokenizer.emplace(
        Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json, "test"));
  }
  ~TrainDataOf() override { fs::remove_all(folder); }

  std::vector<TrainRow> rows(DataSource source) {
    source.file = folder / "rows.jsonl";
    return read_train_data({source}, *tokenizer, 256, 1).rows;
  }

  fs::path folder =
      fs::temp_directory_path() / ("limbeck-train-data-" + std::to_string(::getpid()));
  std::optional<Tokenizer> tokenizer;
};

TEST_F(TrainDataOf, EachAnswerIsARow) {
  const auto all = rows({});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_LT(all[0].tokens.size(), all[1].tokens.size());
  for (const TrainRow& row : all) EXPECT_GT(row.first_target, 1);
}

TEST_F(TrainDataOf, TheLastTurnAloneKeepsTheWholeConversation) {
  DataSource source;
  source.last_turn = true;
  const auto last = rows(source);
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0].tokens, rows({})[1].tokens);
  source.answers_only = false;
  const auto everything = rows(source);
  ASSERT_EQ(everything.size(), 1u);
  EXPECT_EQ(everything[0].first_target, 1) << "earlier answers are learnt too";
  EXPECT_EQ(everything[0].tokens, last[0].tokens);
}

}  // namespace
}  // namespace limbeck::distill
