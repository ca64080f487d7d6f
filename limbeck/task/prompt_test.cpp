// Prompts in their three styles, and the split of the training data.
#include <gtest/gtest.h>

#include <set>

#include "limbeck/base/error.h"
#include "limbeck/task/task.h"
#include "limbeck/task/words.h"

namespace limbeck {
namespace {

Json json(std::string_view text) { return parse_json(text, "test"); }

Task intents() {
  Task task;
  task.kind = TaskKind::classification;
  task.instruction = "Name the intent.";
  task.labels = {"pay", "refund"};
  return task;
}

TEST(Prompt, StylesTellLessAndLess) {
  const Task task = intents();
  const Json full = prompt_messages(task, "Where is my money?", PromptStyle::full);
  ASSERT_EQ(full.size(), 2u);
  EXPECT_EQ(full[0]["content"],
            "Name the intent.\nAnswer with exactly one of these labels and nothing else:\n"
            "pay\nrefund");
  const Json told = prompt_messages(task, "Where is my money?", PromptStyle::instruction);
  EXPECT_EQ(told[0]["content"], "Name the intent.");
  const Json bare = prompt_messages(task, "Where is my money?", PromptStyle::bare);
  ASSERT_EQ(bare.size(), 1u);
  EXPECT_EQ(bare[0], json(R"({"role": "user", "content": "Where is my money?"})"));
}

TEST(Prompt, ObjectsBecomeLinesInTheirOrder) {
  EXPECT_EQ(input_text(json(R"({"context": "It rained.", "question": "What fell?", "n": 2})")),
            "context: It rained.\nquestion: What fell?\nn: 2");
}

TEST(Prompt, ConversationsKeepOneSystemMessageAndSpellOutCalls) {
  const Json input = json(R"({"messages": [
      {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"},
      {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function",
        "function": {"name": "find", "arguments": "{\"q\": 1}"}}]},
      {"role": "tool", "content": "found"}]})");
  const Json messages = prompt_messages(intents(), input, PromptStyle::instruction);
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[0]["content"], "Name the intent.\nBe brief.");
  EXPECT_EQ(messages[2]["content"], R"({"name":"find","arguments":{"q":1}})");
  EXPECT_EQ(messages[3], json(R"({"role": "user", "content": "found"})"));
}

TEST(Prompt, StyleNames) {
  for (const auto style : {PromptStyle::full, PromptStyle::instruction, PromptStyle::bare}) {
    EXPECT_EQ(prompt_style(name(style)), style);
  }
  EXPECT_THROW(prompt_style("bear"), Error);
  EXPECT_EQ(prompt_style_of(Json::object()), PromptStyle::full);
  EXPECT_EQ(prompt_style_of(json(R"({"prompt": "bare"})")), PromptStyle::bare);
}

std::vector<Example> examples(int n) {
  std::vector<Example> out;
  for (int i = 0; i < n; ++i) out.push_back({"input " + std::to_string(i % 90), std::nullopt, ""});
  return out;
}

TEST(Split, DeterministicDisjointAndOfTheRightSize) {
  const auto all = examples(100);  // inputs 0..9 stand there twice
  const Split one = split_dev(all, 0.2, 3), two = split_dev(all, 0.2, 3),
              other = split_dev(all, 0.2, 4);
  EXPECT_EQ(one.train.size() + one.dev.size(), 100u);
  EXPECT_NEAR(static_cast<double>(one.dev.size()), 20, 1);
  std::set<Json> dev;
  for (const auto& example : one.dev) dev.insert(example.input);
  for (const auto& example : one.train) EXPECT_FALSE(dev.contains(example.input));
  ASSERT_EQ(one.dev.size(), two.dev.size());
  for (std::size_t i = 0; i < one.dev.size(); ++i) EXPECT_EQ(one.dev[i].input, two.dev[i].input);
  std::set<Json> other_dev;
  for (const auto& example : other.dev) other_dev.insert(example.input);
  EXPECT_NE(dev, other_dev);
}

TEST(Split, SmallAndImpossible) {
  const auto two = examples(2);
  EXPECT_EQ(split_dev(two, 0.01, 1).dev.size(), 1u);
  EXPECT_EQ(split_dev(two, 0.99, 1).train.size(), 1u);
  EXPECT_THROW(split_dev(examples(1), 0.5, 1), Error);
  EXPECT_THROW(split_dev({}, 0.5, 1), Error);
  EXPECT_THROW(split_dev(two, 1.0, 1), Error);
}

TEST(Leakage, SeenThroughCaseAndPunctuation) {
  Task task = intents();
  task.train = {{"Where is MY card?!", "pay", ""}};
  task.test = {{"where is  my card", "pay", ""}, {"where was my card", "pay", ""}};
  EXPECT_EQ(leaked(task), std::vector<std::size_t>{0});
}

TEST(Words, UnicodeAsPythonSeesIt) {
  EXPECT_EQ(lower("ÀΩЖ"), "àωж");
  EXPECT_EQ(plain_words("  Überall—Straße, 3x! "), "überall straße 3x");
  EXPECT_EQ(squad_normal("An Ape—the\u00a0man, co-op"), "ape— man coop");
}

}  // namespace
}  // namespace limbeck
