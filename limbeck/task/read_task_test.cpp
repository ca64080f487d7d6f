// Task folders: what is read, what is skipped and said, what is refused, and the real data sets.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/task/task.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "limbeck-task-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  void add(const char* name, std::string_view text) const { write_file(path_ / name, text); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// The error that reading gives, as "kind: message".
std::string error_of(const Folder& folder) {
  try {
    read_task(folder.path());
  } catch (const Error& e) {
    return std::string(name(e.kind())) + ": " + e.what() + " / " + e.remedy();
  }
  return "no error";
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string all_notes(const Task& task) {
  std::string text;
  for (const auto& note : task.notes) text += note + "\n";
  return text;
}

constexpr const char* kIntents = "kind: classification\ninstruction: Name the intent.\n";

TEST(ReadTask, JsonLinesWithLabelsFromTheData) {
  const Folder folder;
  folder.add("task.yaml", kIntents);
  folder.add(
      "train.jsonl",
      "{\"input\": \"one\", \"output\": \"b\"}\n{\"input\": \"two\"}\n\n{\"output\": \"a\"}\n");
  folder.add("test.jsonl", "{\"input\": \"ONE!\", \"output\": \"a\"}\n{\"input\": \"x\"}\n");
  const Task task = read_task(folder.path());
  EXPECT_EQ(task.labels, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(task.train.size(), 2u);
  EXPECT_FALSE(task.train[1].output);
  EXPECT_EQ(task.train[1].origin, "train.jsonl:2");
  ASSERT_EQ(task.test.size(), 1u);
  const std::string notes = all_notes(task);
  EXPECT_TRUE(has(notes, "2 labels found in the data: a, b")) << notes;
  EXPECT_TRUE(has(notes, "train.jsonl: 1 row skipped: no input (line 4)")) << notes;
  EXPECT_TRUE(has(notes, "test.jsonl: 1 row skipped: no answer (line 2)")) << notes;
  EXPECT_TRUE(has(notes, "leakage: 1 of 1 test inputs")) << notes;
}

TEST(ReadTask, DelimitedTextFromAnEnvironmentFolder) {
  const Folder folder, data;
  folder.add("task.yaml", std::string(kIntents) +
                              "name: cards\nlabels: [pay, refund]\ndata:\n  train: "
                              "${LIMBECK_TASK_TEST}/a.csv\n  test: ${LIMBECK_TASK_TEST}/b.tsv\n");
  data.add("a.csv", "text,category\n\"give, me \"\"it\"\"\",pay\n");
  data.add("b.tsv", "text\tcategory\nback\trefund\n");
  setenv("LIMBECK_TASK_TEST", data.path().c_str(), 1);
  const Task task = read_task(folder.path());
  EXPECT_EQ(task.name, "cards");
  EXPECT_EQ(task.train.at(0).input, "give, me \"it\"");
  EXPECT_EQ(task.test.at(0).output, "refund");
  unsetenv("LIMBECK_TASK_TEST");
  EXPECT_TRUE(has(error_of(folder), "LIMBECK_TASK_TEST, which is not set"));
}

TEST(ReadTask, MistakesAreNamed) {
  const Folder folder;
  EXPECT_TRUE(has(error_of(folder), "usage"));
  folder.add("train.jsonl", "{\"input\": \"i\", \"output\": \"pay\"}\n");
  folder.add("test.jsonl", "{\"input\": \"i\", \"output\": \"refunt\"}\n");
  folder.add("task.yaml", std::string(kIntents) + "labels: [pay, refund]\n");
  EXPECT_TRUE(has(error_of(folder), "test.jsonl:1: 'refunt' is not one of the 2 labels"))
      << error_of(folder);
  EXPECT_TRUE(has(error_of(folder), "did you mean 'refund'"));
  folder.add("task.yaml", "kind: clasification\n");
  EXPECT_TRUE(has(error_of(folder), "did you mean 'classification'"));
  folder.add("task.yaml", std::string(kIntents) + "lables: [a]\n");
  EXPECT_TRUE(has(error_of(folder), "did you mean 'labels'")) << error_of(folder);
  folder.add("task.yaml", std::string(kIntents) + "data: {tests: b.jsonl}\n");
  EXPECT_TRUE(has(error_of(folder), "did you mean 'test'")) << error_of(folder);
  folder.add("task.yaml", std::string(kIntents) + "data: {output: outputs}\n");
  EXPECT_TRUE(has(error_of(folder), "did you mean 'output'")) << error_of(folder);
  folder.add("task.yaml", std::string(kIntents) + "tools: []\n");
  EXPECT_TRUE(has(error_of(folder), "'tools' belongs to kind tool_calling")) << error_of(folder);
  folder.add("task.yaml", std::string(kIntents) + "labels: [a, a]\n");
  EXPECT_TRUE(has(error_of(folder), "is there twice"));
  folder.add("task.yaml", kIntents);
  folder.add("test.jsonl", "\n");
  EXPECT_TRUE(has(error_of(folder), "the test set (test.jsonl) is empty")) << error_of(folder);
  folder.add("test.jsonl", "{\"input\": \"i\"\n");
  EXPECT_TRUE(has(error_of(folder), "test.jsonl:1")) << error_of(folder);
}

TEST(ReadTask, OneLabelIsAllowedAndSaid) {
  const Folder folder;
  folder.add("task.yaml", kIntents);
  folder.add("test.jsonl", "{\"input\": \"i\", \"output\": \"only\"}\n");
  const Task task = read_task(folder.path());
  EXPECT_TRUE(has(all_notes(task), "one label only"));
  EXPECT_TRUE(has(all_notes(task), "no training data"));
}

TEST(ReadTask, RecordsMustFitTheSchema) {
  const Folder folder;
  const std::string schema =
      "kind: extraction\nschema: {type: object, properties: {n: {type: integer}, s: {type: "
      "string}}, additionalProperties: false}\n";
  folder.add("task.yaml", schema);
  folder.add("test.jsonl",
             "{\"input\": \"i\", \"output\": {\"s\": \"x\", \"n\": 1}}\n"
             "{\"input\": \"j\", \"output\": \"{\\\"n\\\": 2}\"}\n");
  const Task task = read_task(folder.path());
  EXPECT_EQ(to_text(*task.test[0].output), R"({"n":1,"s":"x"})");  // in the schema's order
  EXPECT_EQ(to_text(*task.test[1].output), R"({"n":2})");
  folder.add("test.jsonl", "{\"input\": \"i\", \"output\": {\"n\": \"one\"}}\n");
  EXPECT_TRUE(has(error_of(folder), "test.jsonl:1: the answer does not fit the schema: /n:"))
      << error_of(folder);
}

TEST(ReadTask, ChatRowsWithTools) {
  const Folder folder;
  folder.add("task.yaml", "kind: tool_calling\n");
  const std::string tools =
      R"("tools": [{"type": "function", "function": {"name": "find", "parameters": {"type": "object",
         "properties": {"q": {"type": "string"}, "n": {"type": "integer"}}, "required": ["q"]}}}])";
  std::string flat;
  for (const char c : tools) flat += c == '\n' ? ' ' : c;
  const auto row = [&](const std::string& arguments, const std::string& tool) {
    return R"({"messages": [{"role": "user", "content": "look"}, {"role": "assistant", "content": null,
      "tool_calls": [{"id": "1", "type": "function", "function": {"name": ")" +
           tool + R"(", "arguments": )" + arguments + "}}]}], " + flat + "}";
  };
  const auto line = [&](const std::string& arguments, const std::string& tool = "find") {
    std::string out;
    for (const char c : row(arguments, tool)) out += c == '\n' ? ' ' : c;
    return out + "\n";
  };
  folder.add("train.jsonl", line(R"({"n": 2, "q": "x"})") +
                                R"({"messages": [{"role": "user", "content": "hi"}]})");
  folder.add("test.jsonl", line(R"("{\"q\": \"x\"}")"));
  const Task task = read_task(folder.path());
  EXPECT_EQ(to_text(*task.train.at(0).output), R"({"name":"find","arguments":{"q":"x","n":2}})");
  EXPECT_EQ(task.train.at(0).input, "look");
  EXPECT_FALSE(task.train.at(1).output);
  EXPECT_EQ(to_text(*task.test.at(0).output), R"({"name":"find","arguments":{"q":"x"}})");
  EXPECT_FALSE(task.parallel_calls);
  folder.add("test.jsonl", line(R"({"q": "x"})", "fond"));
  EXPECT_TRUE(has(error_of(folder), "there is no tool 'fond'; did you mean 'find'"))
      << error_of(folder);
  folder.add("test.jsonl", line(R"({"n": 1})"));
  EXPECT_TRUE(has(error_of(folder), "'q'")) << error_of(folder);
}

TEST(ReadTask, EveryAssistantTurnWhenAsked) {
  const Folder folder;
  folder.add("task.yaml", "kind: generation\ndata: {turns: all}\n");
  folder.add(
      "test.jsonl",
      R"({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}, )"
      R"({"from": "human", "value": "c"}, {"from": "gpt", "value": "d"}]})");
  const Task task = read_task(folder.path());
  ASSERT_EQ(task.test.size(), 2u);
  EXPECT_EQ(task.test[0].input, "a");
  EXPECT_EQ(task.test[1].input["messages"].size(), 3u);
  EXPECT_EQ(task.test[1].output, "d");
}

TEST(ReadTask, SquadBothVersions) {
  const Folder folder;
  folder.add("task.yaml", "kind: qa\ndata: {test: dev.json}\n");
  folder.add("dev.json", R"({"version": "v2.0", "data": [{"title": "t", "paragraphs": [{
      "context": "It rained in Oslo.", "qas": [
        {"id": "1", "question": "Where?", "answers": [{"text": "Oslo", "answer_start": 13},
                                                      {"text": "in Oslo", "answer_start": 10}]},
        {"id": "2", "question": "When?", "is_impossible": true, "answers": []}]}]}]})");
  const Task task = read_task(folder.path());
  ASSERT_EQ(task.test.size(), 2u);
  EXPECT_EQ(to_text(*task.test[0].output), R"(["Oslo","in Oslo"])");
  EXPECT_EQ(input_text(task.test[0].input), "context: It rained in Oslo.\nquestion: Where?");
  EXPECT_EQ(score_answer(task, "", *task.test[1].output).primary, 1);
}

// --- real data, where it is at hand ---

std::optional<fs::path> data_folder() {
  if (const char* set = std::getenv("LIMBECK_TEST_DATA")) return fs::path(set);
  const fs::path beside = fs::path(LIMBECK_SOURCE_DIR) / "../shared/data";
  return fs::exists(beside) ? std::optional(beside) : std::nullopt;
}

class RealData : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto data = data_folder();
    if (!data || !fs::exists(*data / "tasks")) {
      GTEST_SKIP() << "the shared data sets are not here (set LIMBECK_TEST_DATA)";
    }
    setenv("LIMBECK_TEST_DATA", data->c_str(), 1);
  }
  Folder folder_;
};

TEST_F(RealData, Banking77) {
  folder_.add("task.yaml",
              "kind: classification\nlabels: ${LIMBECK_TEST_DATA}/tasks/banking77/categories.json\n"
              "data:\n  train: ${LIMBECK_TEST_DATA}/tasks/banking77/train.csv\n"
              "  test: ${LIMBECK_TEST_DATA}/tasks/banking77/test.csv\n");
  const Task task = read_task(folder_.path());
  EXPECT_EQ(task.train.size(), 10003u);
  EXPECT_EQ(task.test.size(), 3080u);
  EXPECT_EQ(task.labels.size(), 77u);
}

TEST_F(RealData, SnipsSlotsAndIntents) {
  const std::string data =
      "data:\n  train: ${LIMBECK_TEST_DATA}/tasks/snips/*/train_*_full.json\n"
      "  test: ${LIMBECK_TEST_DATA}/tasks/snips/*/validate_*.json\n";
  folder_.add("task.yaml", "kind: extraction\nschema: from data\n" + data);
  const Task slots = read_task(folder_.path());
  EXPECT_EQ(slots.train.size(), 13784u);
  EXPECT_EQ(slots.test.size(), 700u);
  EXPECT_EQ(slots.schema["properties"].size(), 39u);
  EXPECT_TRUE(has(all_notes(slots), "not UTF-8, read as Latin-1"));
  folder_.add("task.yaml", "kind: classification\n" + data);
  EXPECT_EQ(read_task(folder_.path()).labels.size(), 7u);
}

TEST_F(RealData, Restaurant8k) {
  folder_.add(
      "task.yaml",
      "kind: extraction\nschema: from data\ndata:\n"
      "  train: ${LIMBECK_TEST_DATA}/tasks/polyai_span_extraction/restaurant8k/train_0.json\n"
      "  test: ${LIMBECK_TEST_DATA}/tasks/polyai_span_extraction/restaurant8k/test.json\n");
  const Task task = read_task(folder_.path());
  EXPECT_EQ(task.test.size(), 3731u);
  EXPECT_EQ(task.train.size(), 8198u);
  EXPECT_EQ(task.schema["properties"].size(), 5u);
  EXPECT_EQ(task.test[0].output->at("time"), "13");
  EXPECT_EQ(input_text(task.test[0].input), "asked: time\ntext: 13");
}

TEST_F(RealData, DistilToolCalling) {
  const std::string base =
      "${LIMBECK_TEST_DATA}/tasks/distil_tft_tool_calling/scenario-1-baseline/direct/";
  folder_.add("task.yaml", "kind: tool_calling\ntools: " + base + "job_description.json\ndata:\n" +
                               "  train: " + base + "train.jsonl\n  test: " + base +
                               "test.jsonl\n");
  const Task task = read_task(folder_.path());
  EXPECT_EQ(task.tools.size(), 3u);
  EXPECT_GT(task.train.size(), 300u);
  EXPECT_GE(task.test.size(), 34u);
  for (const Example& example : task.test) {
    const ItemScore score = score_answer(task, answer_text(task, *example.output), *example.output);
    EXPECT_EQ(score.primary, 1);
    EXPECT_TRUE(score.valid);
  }
}

}  // namespace
}  // namespace limbeck
