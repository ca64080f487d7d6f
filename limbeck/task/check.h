// What an output of a task must be.
#pragma once

#include <string>
#include <string_view>

#include "limbeck/base/json.h"
#include "limbeck/task/task.h"

namespace limbeck {

// Why this call cannot be made: unknown function, arguments that do not fit; empty if it can.
std::string call_fault(const Json& tools, const Json& call);

// A gold output in the task's one form: label as text, record in schema order, question's accepted
// answers as a string or list, call(s) as {"name", "arguments"} in the definition's order.
// Throws Error{usage} starting with `where`.
Json normal_output(const Task& task, const Json& output, const std::string& where);

}  // namespace limbeck
