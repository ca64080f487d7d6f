// A task.yaml beside data that is always the same.
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "fuzz/target.h"
#include "limbeck/task/task.h"

namespace {

namespace fs = std::filesystem;

// Gone at the end.
struct Folder {
  Folder() {
    char name[] = "/tmp/limbeck-task-XXXXXX";
    if (!mkdtemp(name)) std::abort();
    path = name;
    write("train.jsonl", "{\"input\": \"a\", \"output\": \"x\"}\n{\"input\": \"b\"}\n");
    write("test.jsonl", "{\"input\": \"c\", \"output\": \"x\"}\n");
    write("records.csv", "question,answer\nwho,{\"name\": \"n\"}\n");
    write("calls.jsonl", R"({"messages": [{"role": "user", "content": "go"}, {"role": "assistant",
 "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}], "tools": [{"type": "function",
 "function": {"name": "f"}}]})");
    write("labels.txt", "x\n\n y \n");
    write("list.json", R"([{"input": "d", "output": "y"}, {"input": "c", "output": "x"}])");
    write("records.tsv", "input\toutput\nd\tx\n");
    write("slots.jsonl", R"({"input": "e", "output": {"name": "n", "place": "p"}})");
    write("numbers.jsonl", R"({"input": "e", "output": {"n": 5}})");
    write("empty.jsonl", "\n");
    write("pairs.jsonl", R"({"input": "g", "output": [{"name": "f", "arguments": {}}, {"name": "f",
 "arguments": {}}]})");
    write("open.jsonl", R"({"input": "f"})");
  }
  ~Folder() { fs::remove_all(path); }
  void write(const char* name, std::string_view text) const {
    std::ofstream(path / name, std::ios::binary) << text;
  }
  fs::path path;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  static const Folder folder;
  folder.write("task.yaml", fuzz::as_text(data, size));
  return fuzz::value_or_error([&] {
    const Task task = read_task(folder.path);
    fuzz::require(!task.test.empty(), "there is something to test");
    fuzz::require(!primary_metric(task.kind).empty(), "and what by");
    for (const Example& example : task.test)
      fuzz::require(score_answer(task, answer_text(task, *example.output), *example.output).valid,
                    "the right answer is valid");
  });
}
