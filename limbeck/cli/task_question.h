// generate --task: one input of a task, to be rendered for each model in the form that it knows.
#pragma once

#include <cstdint>
#include <string>

#include "limbeck/task/task.h"

namespace limbeck::cli {

struct TaskQuestion {
  Task task;
  Json input;
};

// `text` is the input: JSON where the task's inputs are objects, else as it is. Where it is empty,
// the test set's input `item`, from 1; 0: none is given. Throws Error{usage} for text that is not
// such JSON, an item that is not there, and as read_task does.
TaskQuestion read_question(const std::string& folder, const std::string& text, std::int64_t item);

}  // namespace limbeck::cli
