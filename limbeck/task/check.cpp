// Checks of outputs, gold and predicted alike.
#include "limbeck/task/check.h"

#include <fmt/format.h>

#include <algorithm>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"
#include "limbeck/task/json_answer.h"
#include "limbeck/task/tool_call.h"
#include "limbeck/task/words.h"
#include "limbeck/text/schema_validator.h"

namespace limbeck {
namespace {

std::string plain_text(const Json& output, const std::string& where) {
  if (output.is_string()) return std::string(trimmed(output.get_ref<const std::string&>()));
  if (output.is_number() || output.is_boolean()) return output.dump();
  fail(ErrorKind::usage, "{}: the answer is {}, expected text", where, output.type_name());
}

Json opened(const Json& output, const std::string& where) {
  if (!output.is_string()) return output;
  try {
    return parse_json(output.get_ref<const std::string&>(), where);
  } catch (const Error& e) {
    fail(ErrorKind::usage, "{}: the answer is not JSON: {}", where, e.what());
  }
}

Json normal_label(const Task& task, const Json& output, const std::string& where) {
  std::string label = plain_text(output, where);
  if (label.empty()) fail(ErrorKind::usage, "{}: the label is empty", where);
  const auto& labels = task.labels;
  if (std::find(labels.begin(), labels.end(), label) == labels.end()) {
    const std::string near = nearest(label, labels);
    fail(ErrorKind::usage, "{}: '{}' is not one of the {} labels of task.yaml{}", where, label,
         labels.size(), near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
  }
  return label;
}

Json normal_record(const Task& task, const Json& output, const std::string& where) {
  Json record = opened(output, where);
  if (!record.is_object()) {
    fail(ErrorKind::usage, "{}: the answer is {}, expected an object", where, record.type_name());
  }
  if (const auto fault = validate_json(task.schema, record)) {
    fail(ErrorKind::usage, "{}: the answer does not fit the schema: {}", where, *fault);
  }
  return in_schema_order(record, task.schema);
}

Json normal_accepted(const Json& output, const std::string& where) {
  const Json& answers = output.is_object() && output.contains("text") ? output["text"] : output;
  if (!answers.is_array()) return plain_text(answers, where);
  Json accepted = Json::array();
  for (const Json& answer : answers) {
    const bool nested = answer.is_object() && answer.contains("text");
    accepted.push_back(plain_text(nested ? answer["text"] : answer, where));
  }
  if (accepted.empty()) accepted.push_back("");  // SQuAD 2.0: no answer
  return accepted;
}

Json normal_tool_output(const Task& task, const Json& output, const std::string& where) {
  Json calls = Json::array();
  const Json opened_output = opened(output, where);
  for (Json& call : normal_calls(opened_output, where)) {
    if (const auto fault = call_fault(task.tools, call); !fault.empty()) {
      fail(ErrorKind::usage, "{}: {}", where, fault);
    }
    const auto& name = call["name"].get_ref<const std::string&>();
    call["arguments"] =
        in_schema_order(call["arguments"], (*find_function(task.tools, name))["parameters"]);
    calls.push_back(std::move(call));
  }
  if (calls.empty()) fail(ErrorKind::usage, "{}: the answer holds no tool call", where);
  return calls.size() == 1 ? calls[0] : calls;
}

}  // namespace

std::string call_fault(const Json& tools, const Json& call) {
  const auto& name = call["name"].get_ref<const std::string&>();
  const Json* function = find_function(tools, name);
  if (function == nullptr) {
    const std::string near = nearest(name, function_names(tools));
    return fmt::format("there is no tool '{}'{}", name,
                       near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
  }
  const auto fault = validate_json((*function)["parameters"], call["arguments"]);
  return fault ? fmt::format("the call to '{}' does not fit: {}", name, *fault) : "";
}

Json normal_output(const Task& task, const Json& output, const std::string& where) {
  switch (task.kind) {
    case TaskKind::classification:
      return normal_label(task, output, where);
    case TaskKind::extraction:
      return normal_record(task, output, where);
    case TaskKind::qa:
      return normal_accepted(output, where);
    case TaskKind::tool_calling:
      return normal_tool_output(task, output, where);
    case TaskKind::generation:
      return plain_text(output, where);
  }
  return nullptr;
}

}  // namespace limbeck
