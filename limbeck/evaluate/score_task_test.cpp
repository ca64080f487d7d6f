// Task metrics against counts made by hand.
#include <gtest/gtest.h>

#include "limbeck/base/error.h"
#include "limbeck/evaluate/evaluate.h"

namespace limbeck {
namespace {

Json json(std::string_view text) { return parse_json(text, "test"); }

TaskResult run(const Task& task, const std::vector<std::pair<Json, std::string>>& rows) {
  std::vector<Example> examples;
  std::vector<Answer> answers;
  for (const auto& [gold, answer] : rows) {
    examples.push_back({"input", gold, ""});
    answers.push_back({answer, 0, 0, 0});
  }
  return score_task(task, examples, answers);
}

TEST(ScoreTask, ClassificationByHand) {
  Task task;
  task.name = "t";
  task.kind = TaskKind::classification;
  task.labels = {"a", "b", "c"};
  // a: right 2, predicted 3, gold 3 -> 2/3; b: 1, 1, 2 -> 2/3; c: never gold, predicted once -> 0.
  const TaskResult result = run(
      task, {{"a", "a"}, {"a", "a"}, {"a", "c"}, {"b", "b"}, {"b", "a"}, {"b", "no such label"}});
  EXPECT_EQ(result.n, 6);
  EXPECT_EQ(result.primary, "accuracy");
  EXPECT_NEAR(result.metrics.at("accuracy").value, 0.5, 1e-12);
  EXPECT_NEAR(result.metrics.at("accuracy").low, wilson(3, 6).low, 1e-12);
  EXPECT_NEAR(result.metrics.at("valid").value, 5.0 / 6, 1e-12);
  // with the sixth row gold b is 3: a 4/6, b 2/4, c 0.
  EXPECT_NEAR(result.metrics.at("macro_f1").value, (4.0 / 6 + 2.0 / 4 + 0) / 3, 1e-12);
  EXPECT_LE(result.metrics.at("macro_f1").low, result.metrics.at("macro_f1").value);
  EXPECT_EQ(result.item_scores, (std::vector<double>{1, 1, 0, 1, 0, 0}));
}

TEST(ScoreTask, ExtractionMicroAndMacro) {
  Task task;
  task.kind = TaskKind::extraction;
  task.schema = json(R"({"type": "object", "properties": {"x": {"type": "string"},
                                                          "y": {"type": "string"}}})");
  const TaskResult result = run(task, {{json(R"({"x": "1", "y": "2"})"), R"({"x": "1", "y": "3"})"},
                                       {json(R"({"x": "1"})"), R"({"x": "1", "y": "9"})"},
                                       {json(R"({})"), R"({})"}});
  EXPECT_NEAR(result.metrics.at("exact_record").value, 1.0 / 3, 1e-12);
  EXPECT_NEAR(result.metrics.at("field_f1").value, 2.0 * 2 / (4 + 3), 1e-12);  // 2 right, 4, 3
  EXPECT_NEAR(result.metrics.at("field_f1_macro").value, (1.0 + 0) / 2, 1e-12);
  EXPECT_EQ(result.metrics.at("valid").value, 1);
}

TEST(ScoreTask, JsonHasTheAgreedNames) {
  Task task;
  task.name = "calls";
  task.kind = TaskKind::tool_calling;
  task.tools = json(R"([{"type": "function", "function": {"name": "f", "parameters": {}}}])");
  const Json result = to_json(run(task, {{json(R"({"name": "f", "arguments": {}})"), "f()"}}));
  EXPECT_EQ(result["task"], "calls");
  EXPECT_EQ(result["kind"], "tool_calling");
  EXPECT_EQ(result["n"], 1);
  EXPECT_EQ(result["primary"], "equivalent");
  EXPECT_EQ(result["metrics"]["equivalent"]["value"], 0);
  EXPECT_TRUE(result["metrics"]["staged"].contains("high"));
}

TEST(ScoreTask, NothingAndMismatch) {
  Task task;
  task.kind = TaskKind::generation;
  EXPECT_EQ(run(task, {}).metrics.at("rouge_l").high, 1);
  const std::vector<Example> one(1);
  EXPECT_THROW(score_task(task, one, {}), Error);
}

}  // namespace
}  // namespace limbeck
