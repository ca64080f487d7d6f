#include "limbeck/cli/task_question.h"

#include "limbeck/base/error.h"

namespace limbeck::cli {
namespace {

Json input_of(const Task& task, const std::string& text) {
  const Example& shown = task.test.front();  // read_task refuses an empty test set
  if (!shown.input.is_object()) return text;
  Json input;
  try {
    input = parse_json(text, "the input");
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::format) throw;
  }
  if (!input.is_object()) {
    fail_try(ErrorKind::usage, "one as in " + shown.origin,
             "the inputs of task '{}' are JSON objects", task.name);
  }
  return input;
}

}  // namespace

TaskQuestion read_question(const std::string& folder, const std::string& text, std::int64_t item) {
  TaskQuestion question{read_task(folder), {}};
  const Task& task = question.task;
  if (!text.empty()) {
    question.input = input_of(task, text);
    return question;
  }
  if (item == 0) fail(ErrorKind::usage, "generate --task: give an input, or --item N");
  if (item > std::ssize(task.test)) {
    fail(ErrorKind::usage, "--item {}: the test set of task '{}' has {} items, from 1", item,
         task.name, task.test.size());
  }
  question.input = task.test[static_cast<std::size_t>(item - 1)].input;
  return question;
}

}  // namespace limbeck::cli
