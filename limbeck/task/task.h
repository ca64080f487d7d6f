// A task is a folder: task.yaml says what is asked, train.jsonl and test.jsonl hold examples.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/json.h"

namespace limbeck {

enum class TaskKind : std::uint8_t { classification, extraction, qa, tool_calling, generation };
std::string_view name(TaskKind kind) noexcept;
// The metric that decides, by the name it has in results: "accuracy", "exact_record",
// "exact_match", "equivalent", "rouge_l".
std::string_view primary_metric(TaskKind kind) noexcept;

struct Example {
  Json input;  // a string, or an object {"question", "context"}, or {"messages": [...]}
  std::optional<Json>
      output;  // classification: string; extraction: object; qa: string or list of accepted
               // strings; tool_calling: {"name", "arguments"} or a list of them; generation: string
  std::string origin;  // "test.jsonl:17"
};

struct Task {
  std::string name, description, instruction;
  TaskKind kind = TaskKind::classification;
  std::vector<std::string> labels;  // classification
  Json schema;                      // extraction: JSON Schema of the record; null otherwise
  Json tools;                       // tool calling: list of OpenAI tool definitions; null otherwise
  bool parallel_calls = false;      // tool calling: answers are lists (some gold answer is one)
  std::filesystem::path folder;
  std::vector<Example> train, test;  // train outputs may be absent (the teacher answers)
  std::vector<std::string> notes;    // what was detected, skipped, leaked: to be printed
};

// Reads task.yaml (or `folder` itself if it is a .yaml file) and the data it names:
//   name, description, instruction   text; the name defaults to the folder's
//   kind      classification | extraction | qa | tool_calling | generation
//   labels    list, `from data`, or a .json/.txt file        (classification)
//   schema    JSON Schema, `from data` (each slot a string), or a .json file   (extraction)
//   tools     OpenAI definitions or a .json file; chat rows may carry them instead (tool_calling)
//   data      see DataOptions (data.h): files, format, columns
// Outputs come in the task's one form (check.h). Throws Error{usage} naming file, line and field:
// no task.yaml, unknown kind or key, a label outside the set, an empty test set, an output that
// fails the schema, a call to an unknown tool.
Task read_task(const std::filesystem::path& folder);

// `train` split in two by a hash of each input: the last `fraction` (at least 1 item) is the dev
// split; equal inputs stay on one side; both keep their order. Deterministic. Throws Error{usage}
// when `fraction` is outside (0, 1) or there are not two different inputs.
struct Split {
  std::vector<Example> train, dev;
};
Split split_dev(const std::vector<Example>& examples, double fraction, std::uint64_t seed);

// Test inputs that also stand (after normalisation: case, space, punctuation) in train; indices
// into test.
std::vector<std::size_t> leaked(const Task& task);

// --- prompts ---
// How much of the task a prompt tells. A model made here says in its manifest which one it was
// trained on.
enum class PromptStyle : std::uint8_t {
  full,         // instruction and labels, schema or tools: for any generalist
  instruction,  // the task's instruction alone: a generalist that was trained on this task among
                // others
  bare,         // the input alone: a specialist of this one task
};
std::string_view name(PromptStyle style) noexcept;  // "full", "instruction", "bare"
PromptStyle prompt_style(std::string_view name);    // throws Error{usage}
PromptStyle prompt_style_of(const Json& manifest);  // key "prompt"; full when absent

// The conversation that asks for the answer to `input`: system message (none if bare) and user
// messages.
Json prompt_messages(const Task& task, const Json& input, PromptStyle style);
// The input as the text of the user's message: objects as "key: value" lines; a conversation as
// "role: content" lines.
std::string input_text(const Json& input);
// The answer as the text a model should produce: label, compact JSON, or plain text (of several
// accepted answers the first).
std::string answer_text(const Task& task, const Json& output);

// --- answers ---
struct ParsedAnswer {
  bool valid = false;  // of the right form: known label, schema-valid record, known tool with its
                       // required arguments
  Json value;          // as Example::output where parseable; null otherwise
  std::string why;     // the reason when not valid
};
// Lenient where the answer is still beyond doubt: letter case and quotes around a label, a ```
// fence or words around JSON, a <think> part before it.
ParsedAnswer parse_answer(const Task& task, std::string_view text);

// --- scores of one answer against gold, each in [0, 1] ---
struct FieldCounts {
  std::int64_t right = 0, predicted = 0, gold = 0;
};
struct ItemScore {
  double primary = 0;  // classification: right; extraction: exact record; qa: exact match; tools:
                       // equivalent; generation: ROUGE-L F1
  bool valid = false;
  double secondary = 0;  // extraction: field F1; qa: token F1; tools: staged score (name .5,
                         // arguments .5 by share); generation: exact match
  FieldCounts fields;    // extraction: leaves of the record
  std::map<std::string, FieldCounts> by_field;  // extraction: the same by path
  std::string predicted, gold;  // for display and confusion: label, or compact JSON / text
};
ItemScore score_answer(const Task& task, std::string_view answer, const Json& gold);

}  // namespace limbeck
