// helpdesk_data OUT: writes the demo's four task folders and plain texts. The same data on every
// machine.
#include <fmt/core.h>

#include <cctype>
#include <filesystem>
#include <string>
#include <unordered_set>

#include "examples/helpdesk/phrases.h"
#include "examples/helpdesk/tasks.h"
#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/yaml.h"
#include "limbeck/format/rows.h"
#include "limbeck/task/task.h"

namespace helpdesk {
namespace {

constexpr std::size_t kTrain = 12'000, kTest = 1'000, kTrainStories = 12'000, kTestStories = 300;

// The letters and digits of an input: two inputs that differ in case and punctuation alone are the same.
std::string bare_text(const limbeck::Json& input) {
  std::string bare;
  for (const unsigned char c : input.dump()) {
    if (std::isalnum(c)) bare += static_cast<char>(std::tolower(c));
  }
  return bare;
}

// Examples nobody has seen: an input never comes twice, so test and train never share one.
std::vector<limbeck::Json> fresh_examples(const TaskData& task, std::size_t n,
                                          std::unordered_set<std::string>& seen,
                                          limbeck::Random& random) {
  std::vector<limbeck::Json> rows;
  while (rows.size() < n) {
    limbeck::Json row = task.example(random);
    if (seen.insert(bare_text(row.at("input"))).second) rows.push_back(std::move(row));
  }
  return rows;
}

void write_task(const TaskData& task, std::uint64_t stream, const std::filesystem::path& folder) {
  limbeck::Random random(2026, stream);
  std::unordered_set<std::string> seen;
  limbeck::write_jsonl(folder / task.folder / "test.jsonl",
                       fresh_examples(task, kTest, seen, random));
  limbeck::write_jsonl(folder / task.folder / "train.jsonl",
                       fresh_examples(task, kTrain, seen, random));
  limbeck::write_file(folder / task.folder / "task.yaml", limbeck::to_yaml(task.definition));
}

// The training examples as the conversations a generalist is asked in: instruction, input, answer.
void write_conversations(const std::filesystem::path& task_folder,
                         const std::filesystem::path& path) {
  const limbeck::Task task = limbeck::read_task(task_folder);
  std::vector<limbeck::Json> rows;
  for (const limbeck::Example& example : task.train) {
    limbeck::Json messages =
        limbeck::prompt_messages(task, example.input, limbeck::PromptStyle::instruction);
    messages.push_back(
        {{"role", "assistant"}, {"content", limbeck::answer_text(task, *example.output)}});
    rows.push_back({{"messages", std::move(messages)}});
  }
  limbeck::write_jsonl(path, rows);
}

void write_stories(const std::filesystem::path& path, std::size_t n, std::uint64_t stream) {
  limbeck::Random random(2026, stream);
  std::vector<limbeck::Json> rows;
  for (std::size_t i = 0; i < n; ++i) rows.push_back({{"text", story(random)}});
  limbeck::write_jsonl(path.string() + ".jsonl", rows);
  std::string text;
  for (const limbeck::Json& row : rows) text += row.at("text").get<std::string>() + "\n";
  limbeck::write_file(path.string() + ".txt", text);
}

void write_all(const std::filesystem::path& out) {
  std::uint64_t stream = 1;
  for (const TaskData& task : {routing(), extraction(), answers(), actions()}) {
    write_task(task, stream++, out / "tasks");
    write_conversations(out / "tasks" / task.folder, out / "teacher" / (task.folder + ".jsonl"));
  }
  write_stories(out / "text" / "train", kTrainStories, 100);
  write_stories(out / "text" / "test", kTestStories, 101);
}

}  // namespace
}  // namespace helpdesk

int main(int argc, char** argv) try {
  if (argc != 2) {
    fmt::print(stderr, "usage: helpdesk_data FOLDER\n");
    return 2;
  }
  helpdesk::write_all(argv[1]);
  return 0;
} catch (const limbeck::Error& error) {
  fmt::print(stderr, "helpdesk_data: {}\n", error.what());
  return limbeck::exit_code(error.kind());
}
