// Answers read and scored for each kind of task.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "limbeck/base/error.h"
#include "limbeck/base/patience_test.h"
#include "limbeck/task/json_answer.h"
#include "limbeck/task/overlap.h"
#include "limbeck/task/task.h"
#include "limbeck/task/tool_call.h"

namespace limbeck {
namespace {

Json json(std::string_view text) { return parse_json(text, "test"); }

Task labels_task() {
  Task task;
  task.kind = TaskKind::classification;
  task.labels = {"card_arrival", "Refund not showing", "+", "-"};
  return task;
}

Task record_task() {
  Task task;
  task.kind = TaskKind::extraction;
  task.schema = json(R"({"type": "object", "properties": {
      "city": {"type": "string"}, "rooms": {"type": "integer", "minimum": 1},
      "tags": {"type": "array", "items": {"type": "string"}}},
      "required": ["city"], "additionalProperties": false})");
  return task;
}

Task calls_task() {
  Task task;
  task.kind = TaskKind::tool_calling;
  task.tools = json(R"([{"type": "function", "function": {"name": "book", "parameters": {
      "type": "object", "properties": {"city": {"type": "string"},
      "nights": {"type": "number", "default": 1}, "note": {"type": ["string", "null"]}},
      "required": ["city"]}}},
      {"type": "function", "function": {"name": "stop", "parameters": {"type": "object",
      "properties": {}}}}])");
  return task;
}

TEST(Labels, FormDoesNotMatterWordsDo) {
  const Task task = labels_task();
  for (const char* text : {"card_arrival", " card_arrival\n", "\"Card arrival\".", "CARD-ARRIVAL",
                           "<think>it is late</think>\ncard_arrival"}) {
    EXPECT_EQ(score_answer(task, text, "card_arrival").primary, 1) << text;
  }
  for (const char* text : {"card", "arrival card", "", "card_arrival or Refund not showing"}) {
    const ItemScore score = score_answer(task, text, "card_arrival");
    EXPECT_EQ(score.primary, 0) << text;
    EXPECT_FALSE(score.valid) << text;
  }
}

TEST(Labels, PunctuationLabelsMustBeExact) {
  const Task task = labels_task();
  EXPECT_TRUE(parse_answer(task, "+").valid);
  EXPECT_FALSE(parse_answer(task, "*").valid);
}

TEST(Records, ExactAndFieldScores) {
  const Task task = record_task();
  const Json gold = json(R"({"city": "Oslo", "rooms": 2, "tags": ["sea", "quiet"]})");
  const ItemScore same =
      score_answer(task, R"({"tags": ["quiet", "sea"], "rooms": 2.0, "city": " Oslo "})", gold);
  EXPECT_EQ(same.primary, 1);
  EXPECT_TRUE(same.valid);
  const ItemScore part = score_answer(task, R"({"city": "Oslo", "rooms": 3})", gold);
  EXPECT_EQ(part.primary, 0);
  EXPECT_EQ(part.fields.right, 1);
  EXPECT_EQ(part.fields.predicted, 2);
  EXPECT_EQ(part.fields.gold, 4);
  EXPECT_NEAR(part.secondary, 2.0 / 6, 1e-12);
  EXPECT_EQ(part.by_field.at("tags[]").gold, 2);
}

TEST(Records, InvalidUnderTheSchemaSaysWhy) {
  const Task task = record_task();
  const auto why = [&](const char* text) {
    const ParsedAnswer parsed = parse_answer(task, text);
    EXPECT_FALSE(parsed.valid) << text;
    return parsed.why;
  };
  EXPECT_NE(why(R"({"rooms": 1})").find("'city'"), std::string::npos);
  EXPECT_NE(why(R"({"city": "a", "room": 1})").find("/room"), std::string::npos);
  EXPECT_NE(why(R"({"city": "a", "rooms": 0})").find("/rooms"), std::string::npos);
  EXPECT_NE(why(R"({"city": "a", "tags": [1]})").find("/tags/0"), std::string::npos);
  EXPECT_FALSE(parse_answer(task, "none").valid);
}

TEST(Records, JsonIsFoundInWordsAndFences) {
  const Task task = record_task();
  for (const char* text :
       {"Sure! {\"city\": \"a}b\"} Anything else?", "```json\n{\"city\": \"a}b\"}\n```",
        "<think>{</think>{\"city\": \"a}b\"}", "{{ {\"city\": \"a}b\"}"}) {
    const ParsedAnswer parsed = parse_answer(task, text);
    ASSERT_TRUE(parsed.valid) << text;
    EXPECT_EQ(parsed.value["city"], "a}b");
  }
}

TEST(Records, NoAnswerIsNotTheEmptyRecord) {
  Task task = record_task();
  task.schema.erase("required");
  EXPECT_EQ(score_answer(task, "{}", Json::object()).primary, 1);
  EXPECT_EQ(score_answer(task, "I cannot say", Json::object()).primary, 0);
}

TEST(Questions, BestOfSeveralGolds) {
  Task task;
  task.kind = TaskKind::qa;
  const Json gold = json(R"(["in 1999", "the year 1999"])");
  EXPECT_EQ(score_answer(task, "Year 1999!", gold).primary, 1);
  const ItemScore part = score_answer(task, "1999", gold);
  EXPECT_EQ(part.primary, 0);
  EXPECT_NEAR(part.secondary, 2.0 / 3, 1e-12);
  EXPECT_EQ(score_answer(task, "", json(R"([""])")).primary, 1);
}

TEST(Calls, WhatMakesTwoCallsTheSame) {
  const Task task = calls_task();
  const Json gold = json(R"({"name": "book", "arguments": {"city": "Oslo", "nights": 1}})");
  for (const char* text : {R"({"name": "book", "arguments": {"nights": 1.0, "city": "Oslo "}})",
                           R"({"name": "book", "arguments": {"city": "Oslo"}})",
                           R"({"name": "book", "parameters": {"city": "Oslo", "note": null}})",
                           R"({"function": {"name": "book", "arguments": "{\"city\": \"Oslo\"}"}})",
                           R"([{"name": "book", "arguments": {"city": "Oslo"}}])"}) {
    const ItemScore score = score_answer(task, text, gold);
    EXPECT_EQ(score.primary, 1) << text;
    EXPECT_EQ(score.secondary, 1) << text;
  }
}

TEST(Calls, StagedScore) {
  const Task task = calls_task();
  const Json gold = json(R"({"name": "book", "arguments": {"city": "Oslo", "nights": 2}})");
  const auto staged = [&](const char* text) { return score_answer(task, text, gold).secondary; };
  EXPECT_NEAR(staged(R"({"name": "book", "arguments": {"city": "Oslo", "nights": 3}})"), 0.75,
              1e-12);
  EXPECT_NEAR(staged(R"({"name": "book", "arguments": {"city": "Rome"}})"), 0.5, 1e-12);
  EXPECT_EQ(staged(R"({"name": "stop", "arguments": {}})"), 0);
  EXPECT_EQ(staged("no"), 0);
}

TEST(Calls, SeveralInAnyOrder) {
  const Task task = calls_task();
  const Json gold = json(R"([{"name": "book", "arguments": {"city": "Oslo"}},
                             {"name": "stop", "arguments": {}}])");
  EXPECT_EQ(
      score_answer(task, R"([{"name": "stop"}, {"name": "book", "arguments": {"city": "Oslo"}}])",
                   gold)
          .primary,
      1);
  const ItemScore half = score_answer(task, R"([{"name": "stop"}])", gold);
  EXPECT_EQ(half.primary, 0);
  EXPECT_NEAR(half.secondary, 0.5, 1e-12);
}

TEST(Calls, UnknownToolIsNamedWithItsNeighbour) {
  const ParsedAnswer parsed = parse_answer(calls_task(), R"({"name": "boot", "arguments": {}})");
  EXPECT_FALSE(parsed.valid);
  EXPECT_EQ(parsed.why, "there is no tool 'boot'; did you mean 'book'?");
}

// Values of squad's evaluate-v1.1.py and of rouge_score 0.1.2; tests/interop compares thousands
// more.
TEST(Overlap, ReferenceValues) {
  EXPECT_TRUE(squad_exact("The  Cat's-eye, a jewel", "cats-eye jewel"));
  EXPECT_FALSE(squad_exact("cat s eye", "cat's eye"));
  EXPECT_NEAR(squad_f1("a cat sat on the mat", "the cat on mat mat"), 6.0 / 8, 1e-12);
  EXPECT_NEAR(rouge_l("the cat was found under the bed", "the cat was under the bed"), 12.0 / 13,
              1e-12);
  EXPECT_EQ(rouge_l("", "word"), 0);
}

TEST(Generation, RougeAndExact) {
  Task task;
  task.kind = TaskKind::generation;
  const ItemScore score = score_answer(task, " The cat. \n", "The cat.");
  EXPECT_EQ(score.primary, 1);
  EXPECT_EQ(score.secondary, 1);
  EXPECT_FALSE(score_answer(task, "  ", "The cat.").valid);
}

TEST(Answers, GoldSpelledOutScoresFullMarks) {
  const Task record = record_task(), calls = calls_task();
  const Json gold = json(R"({"rooms": 2, "city": "Ōsaka \"north\""})");
  EXPECT_EQ(answer_text(record, gold), "{\"city\":\"Ōsaka \\\"north\\\"\",\"rooms\":2}");
  EXPECT_EQ(score_answer(record, answer_text(record, gold), gold).primary, 1);
  const Json call = json(R"({"name": "book", "arguments": {"nights": 4, "city": "Oslo"}})");
  EXPECT_EQ(answer_text(calls, call), R"({"name":"book","arguments":{"city":"Oslo","nights":4}})");
  EXPECT_EQ(score_answer(calls, answer_text(calls, call), call).primary, 1);
}

// Answers that a careless comparison would take days for: both sides nested, and many members.
TEST(Answers, AreComparedInTime) {
  const ProcessTime time;
  Json nested = 1;
  for (int depth = 0; depth < 60; ++depth) nested = Json{{"a", std::move(nested)}};
  EXPECT_TRUE(same_value(nested, Json(nested)));
  std::string many = R"({"name":"book","arguments":{"city":"Oslo")";
  for (int i = 0; i < 100'000; ++i) many += fmt::format(R"(,"{}":1)", i);
  const Json gold = json(R"({"name": "book", "arguments": {"city": "Oslo"}})");
  EXPECT_LT(score_answer(calls_task(), many + "}}", gold).primary, 1);
  const Json call = json(many + "}}");
  EXPECT_TRUE(same_call(nullptr, call, call));
  EXPECT_EQ(in_schema_order(call["arguments"], nullptr), call["arguments"]);
  Json leafy = {{std::string(1'000'000, 'k'), Json::array()}};
  for (int i = 0; i < 100'000; ++i) leafy.front().push_back(1);
  EXPECT_EQ(leaves(leafy).size(), 100'000u);  // 100 GB, were their paths spelled out
  EXPECT_LT(time.seconds(), 3 * kPatience);
}

}  // namespace
}  // namespace limbeck
