// Prompts: how a task is told to a model, and how its answers are spelled.
#include <fmt/format.h>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"
#include "limbeck/task/json_answer.h"
#include "limbeck/task/task.h"
#include "limbeck/task/tool_call.h"

namespace limbeck {
namespace {

constexpr std::string_view kStyles[] = {"full", "instruction", "bare"};

// What the form of the answer is, for a model that was not trained on it.
std::string form_of(const Task& task) {
  switch (task.kind) {
    case TaskKind::classification:
      return fmt::format("Answer with exactly one of these labels and nothing else:\n{}",
                         fmt::join(task.labels, "\n"));
    case TaskKind::extraction:
      return fmt::format(
          "Answer with one JSON object that fits this JSON Schema and nothing else. Leave out what "
          "the text does not say.\n{}",
          to_text(task.schema));
    case TaskKind::qa:
      return "Answer as briefly as possible, in the words of the text where there is one.";
    case TaskKind::tool_calling: {
      std::string text = fmt::format(
          "Answer with {} as JSON, {{\"name\": ..., \"arguments\": {{...}}}}, and nothing else. "
          "The functions:",
          task.parallel_calls ? "a list of function calls" : "one function call");
      for (const Json& tool : task.tools) text += "\n" + to_text(tool["function"]);
      return text;
    }
    case TaskKind::generation:
      return {};
  }
  return {};
}

std::string system_text(const Task& task, PromptStyle style) {
  if (style == PromptStyle::bare) return {};
  std::string text = task.instruction.empty() ? task.description : task.instruction;
  if (style == PromptStyle::instruction) return text;
  const std::string form = form_of(task);
  if (!text.empty() && !form.empty()) text += "\n";
  return text + form;
}

// Calls and tool results as plain text: the same for every chat template, whatever it knows of
// tools.
Json plain_message(const Json& message, const Task& task) {
  std::string role = message.value("role", "user");
  const Json content = message.contains("content") ? message["content"] : Json();
  std::string text = content.is_string() ? content.get<std::string>() : "";
  if (!content.is_null() && !content.is_string()) text = to_text(content);
  if (message.contains("tool_calls") && message["tool_calls"].is_array() &&
      !message["tool_calls"].empty()) {
    Json calls = Json::array();
    for (Json& call : normal_calls(message["tool_calls"], task.name))
      calls.push_back(std::move(call));
    if (!text.empty()) text += "\n";
    text += to_text(calls.size() == 1 ? calls[0] : calls);
  }
  if (role == "tool" || role == "function") role = "user";
  return {{"role", role}, {"content", text}};
}

std::string value_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : to_text(value);
}

}  // namespace

std::string_view name(PromptStyle style) noexcept {
  return kStyles[static_cast<std::size_t>(style)];
}

PromptStyle prompt_style(std::string_view name) {
  const std::vector<std::string> known(std::begin(kStyles), std::end(kStyles));
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (known[i] == name) return static_cast<PromptStyle>(i);
  }
  const std::string near = nearest(name, known);
  fail(ErrorKind::usage, "prompt style '{}' is not one of {}{}", name, fmt::join(known, ", "),
       near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
}

PromptStyle prompt_style_of(const Json& manifest) {
  if (!manifest.is_object() || !manifest.contains("prompt")) return PromptStyle::full;
  if (!manifest["prompt"].is_string()) {
    fail(ErrorKind::format, "the model's manifest has a 'prompt' that is not a string");
  }
  return prompt_style(manifest["prompt"].get_ref<const std::string&>());
}

std::string input_text(const Json& input) {
  if (!input.is_object()) return value_text(input);
  std::string text;
  if (input.contains("messages") && input["messages"].is_array()) {
    for (const Json& message : input["messages"]) {
      const Json plain = plain_message(message, Task{});
      text += plain["role"].get<std::string>() + ": " + plain["content"].get<std::string>() + "\n";
    }
  } else {
    for (const auto& [key, value] : input.items()) text += key + ": " + value_text(value) + "\n";
  }
  if (!text.empty()) text.pop_back();
  return text;
}

Json prompt_messages(const Task& task, const Json& input, PromptStyle style) {
  Json messages = Json::array();
  std::string system = system_text(task, style);
  const bool conversation = input.is_object() && input.contains("messages");
  if (!conversation) {
    if (!system.empty()) messages.push_back({{"role", "system"}, {"content", system}});
    messages.push_back({{"role", "user"}, {"content", input_text(input)}});
    return messages;
  }
  for (const Json& message : input["messages"]) {
    Json plain = plain_message(message, task);
    if (plain["role"] == "system") {  // one system message, first: most templates know no other
      if (!system.empty()) system += "\n";
      system += plain["content"].get<std::string>();
    } else {
      messages.push_back(std::move(plain));
    }
  }
  if (!system.empty()) {
    messages.insert(messages.begin(), Json{{"role", "system"}, {"content", system}});
  }
  return messages;
}

std::string answer_text(const Task& task, const Json& output) {
  switch (task.kind) {
    case TaskKind::extraction:
      return to_text(in_schema_order(output, task.schema));
    case TaskKind::tool_calling: {
      Json calls = Json::array();
      for (Json& call : normal_calls(output, task.name)) {
        const Json* function =
            find_function(task.tools, call["name"].get_ref<const std::string&>());
        if (function != nullptr) {
          call["arguments"] = in_schema_order(call["arguments"], (*function)["parameters"]);
        }
        calls.push_back(std::move(call));
      }
      return to_text(task.parallel_calls || calls.size() != 1 ? calls : calls[0]);
    }
    default:
      return value_text(output.is_array() && !output.empty() ? output[0] : output);
  }
}

}  // namespace limbeck
