// task.yaml and the data it names -> Task.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"
#include "limbeck/base/yaml.h"
#include "limbeck/task/check.h"
#include "limbeck/task/data.h"
#include "limbeck/task/json_answer.h"
#include "limbeck/task/task.h"
#include "limbeck/task/tool_call.h"
#include "limbeck/task/words.h"

namespace limbeck {
namespace {

constexpr std::string_view kFromData = "from data";
constexpr std::size_t kMostLabels = 10'000;

struct KindInfo {
  TaskKind kind;
  std::string_view name, primary;
};
constexpr KindInfo kKinds[] = {
    {TaskKind::classification, "classification", "accuracy"},
    {TaskKind::extraction, "extraction", "exact_record"},
    {TaskKind::qa, "qa", "exact_match"},
    {TaskKind::tool_calling, "tool_calling", "equivalent"},
    {TaskKind::generation, "generation", "rouge_l"},
};

const KindInfo& info(TaskKind kind) noexcept { return kKinds[static_cast<std::size_t>(kind)]; }

TaskKind read_kind(Fields& fields) {
  const std::string kind = fields.required_text("kind");
  std::vector<std::string> names;
  for (const KindInfo& row : kKinds) {
    if (row.name == kind) return row.kind;
    names.emplace_back(row.name);
  }
  const std::string near = nearest(kind, names);
  fail(ErrorKind::usage, "{}: kind '{}' is not one of {}{}", fields.where(), kind,
       fmt::join(names, ", "), near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
}

// A setting that may be written in place or as the name of a JSON file.
Json inline_or_file(const Json& value, const std::filesystem::path& folder,
                    const std::string& where) {
  if (!value.is_string()) return value;
  const auto files = data_files(folder, value.get_ref<const std::string&>(), where);
  return read_json_file(files.front().string());
}

std::vector<std::string> read_labels(const Json& value, const std::filesystem::path& folder,
                                     const std::string& where) {
  Json list = value;
  if (value.is_string() && value.get_ref<const std::string&>().ends_with(".txt")) {
    list = Json::array();
    const auto files = data_files(folder, value.get_ref<const std::string&>(), where);
    const std::string text = read_file(files.front(), 1u << 20);
    for (std::size_t at = 0; at < text.size();) {
      const auto end = std::min(text.find('\n', at), text.size());
      const auto line = trimmed(std::string_view(text).substr(at, end - at));
      if (!line.empty()) list.push_back(std::string(line));
      at = end + 1;
    }
  } else {
    list = inline_or_file(value, folder, where);
  }
  if (!list.is_array() || list.empty()) {
    fail(ErrorKind::usage, "{}: labels must be a list, '{}' or a file of them", where, kFromData);
  }
  std::vector<std::string> labels;
  std::set<std::string> seen;
  for (const Json& label : list) {
    const bool scalar = label.is_string() || label.is_number() || label.is_boolean();
    if (!scalar) fail(ErrorKind::usage, "{}: a label is {}, not text", where, label.type_name());
    const std::string raw = label.is_string() ? label.get<std::string>() : label.dump();
    std::string text(trimmed(raw));
    if (text.empty()) fail(ErrorKind::usage, "{}: a label is empty", where);
    if (!seen.insert(text).second)
      fail(ErrorKind::usage, "{}: label '{}' is there twice", where, text);
    labels.push_back(std::move(text));
  }
  return labels;
}

// The labels that stand in the data, in alphabetic order.
std::vector<std::string> collect_labels(const Task& task, const std::string& where) {
  std::set<std::string> found;
  for (const auto* examples : {&task.train, &task.test}) {
    for (const Example& example : *examples) {
      if (!example.output) continue;
      const Json& output = *example.output;
      const std::string text = output.is_string() ? output.get<std::string>() : output.dump();
      found.insert(std::string(trimmed(text)));
    }
  }
  found.erase("");
  if (found.empty()) fail(ErrorKind::usage, "{}: the data holds no label", where);
  return {found.begin(), found.end()};
}

// Each slot that stands in the data as an optional string, in alphabetic order.
Json collect_schema(const Task& task, const std::string& where) {
  std::set<std::string> slots;
  for (const auto* examples : {&task.train, &task.test}) {
    for (const Example& example : *examples) {
      if (!example.output || !example.output->is_object()) continue;
      for (const auto& [slot, value] : example.output->items()) {
        if (!value.is_string()) {
          fail_try(ErrorKind::usage, "write the JSON Schema in task.yaml",
                   "{}: slot '{}' of {} is no text, so the schema cannot come from the data", where,
                   slot, example.origin);
        }
        slots.insert(slot);
      }
    }
  }
  if (slots.empty()) fail(ErrorKind::usage, "{}: the data holds no slot", where);
  Json properties = Json::object();
  for (const auto& slot : slots) properties[slot] = {{"type", "string"}};
  return {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
}

// Reads the files of one split; adds notes and tool definitions found.
std::vector<Example> read_split(Task& task, const DataOptions& options, bool gold, Json& tools,
                                const std::string& where) {
  const std::string split = gold ? "test" : "train";
  std::vector<std::string> paths = gold ? options.test : options.train;
  if (paths.empty()) {
    if (!gold && !std::filesystem::exists(task.folder / "train.jsonl")) {
      task.notes.push_back("no training data (no train.jsonl, and none named)");
      return {};
    }
    paths = {split + ".jsonl"};
  }
  std::vector<Example> all;
  for (const auto& path : paths) {
    for (const auto& file : data_files(task.folder, path, where + ": data: " + split)) {
      DataFile data = read_data_file(file, options, task.kind, gold);
      task.notes.insert(task.notes.end(), data.notes.begin(), data.notes.end());
      if (tools.is_null()) tools = data.tools;
      all.insert(all.end(), std::make_move_iterator(data.examples.begin()),
                 std::make_move_iterator(data.examples.end()));
    }
  }
  if (gold && all.empty()) {
    fail_try(ErrorKind::usage, "put at least one {\"input\", \"output\"} row into it",
             "{}: the test set ({}) is empty", where, fmt::join(paths, ", "));
  }
  return all;
}

// What only one kind of task has may stand in no other.
void refuse_foreign(const Task& task, Fields& fields) {
  const std::pair<const char*, TaskKind> owners[] = {{"labels", TaskKind::classification},
                                                     {"schema", TaskKind::extraction},
                                                     {"tools", TaskKind::tool_calling}};
  for (const auto& [key, kind] : owners) {
    if (fields.find(key) != nullptr && task.kind != kind) {
      fail(ErrorKind::usage, "{}: '{}' belongs to kind {}, this task is {}", fields.where(), key,
           name(kind), name(task.kind));
    }
  }
}

void settle_labels(Task& task, const Json* labels, const std::string& where) {
  const bool from_data = labels == nullptr || *labels == kFromData;
  task.labels = from_data ? collect_labels(task, where) : read_labels(*labels, task.folder, where);
  if (task.labels.size() > kMostLabels) {
    fail(ErrorKind::usage, "{}: {} labels, the limit is {}", where, task.labels.size(),
         kMostLabels);
  }
  if (from_data) {
    task.notes.push_back(fmt::format("{} labels found in the data: {}", task.labels.size(),
                                     fmt::join(task.labels, ", ")));
  }
  if (task.labels.size() == 1) {
    task.notes.push_back("there is one label only: every answer in form is right");
  }
}

void settle_schema(Task& task, const Json* schema, const std::string& where) {
  if (schema == nullptr) {
    fail_try(ErrorKind::usage, "give a JSON Schema, or `schema: from data`",
             "{}: kind extraction needs 'schema'", where);
  }
  const bool from_data = *schema == kFromData;
  task.schema =
      from_data ? collect_schema(task, where) : inline_or_file(*schema, task.folder, where);
  if (!task.schema.is_object()) {
    fail(ErrorKind::usage, "{}: schema is {}, expected an object", where, task.schema.type_name());
  }
  if (from_data) {
    std::vector<std::string> slots;
    for (const auto& item : task.schema["properties"].items()) slots.push_back(item.key());
    task.notes.push_back(
        fmt::format("{} slots found in the data: {}", slots.size(), fmt::join(slots, ", ")));
  }
}

void settle_tools(Task& task, const Json* tools, const Json& found, const std::string& where) {
  if (tools == nullptr && found.is_null()) {
    fail(ErrorKind::usage, "{}: kind tool_calling needs 'tools', here or in the data rows", where);
  }
  task.tools =
      normal_tools(tools == nullptr ? found : inline_or_file(*tools, task.folder, where), where);
}

void check_outputs(Task& task) {
  for (auto* examples : {&task.train, &task.test}) {
    for (Example& example : *examples) {
      if (!example.output) continue;
      example.output = normal_output(task, *example.output, example.origin);
      if (task.kind == TaskKind::tool_calling && example.output->is_array()) {
        task.parallel_calls = true;
      }
    }
  }
}

}  // namespace

std::string_view name(TaskKind kind) noexcept { return info(kind).name; }
std::string_view primary_metric(TaskKind kind) noexcept { return info(kind).primary; }

Task read_task(const std::filesystem::path& folder) {
  const bool is_file = folder.extension() == ".yaml" || folder.extension() == ".yml";
  const std::filesystem::path file = is_file ? folder : folder / "task.yaml";
  if (!std::filesystem::is_regular_file(file)) {
    fail_try(ErrorKind::usage, "a task is a folder with task.yaml, train.jsonl and test.jsonl",
             "{}: there is no such file", file.string());
  }
  const Json yaml = read_yaml_file(file.string());
  const std::string where = file.string();
  Fields fields(yaml, where);
  Task task;
  task.folder = is_file ? folder.parent_path() : folder;
  const auto resolved = std::filesystem::weakly_canonical(task.folder);
  task.name = fields.text("name", resolved.filename().string());
  task.kind = read_kind(fields);
  task.description = fields.text("description");
  task.instruction = fields.text("instruction");
  refuse_foreign(task, fields);
  const Json *labels = fields.find("labels"), *schema = fields.find("schema"),
             *tools = fields.find("tools"), *data = fields.find("data");
  fields.refuse_unknown();
  DataOptions options;
  if (data != nullptr) {
    Fields data_fields(*data, where + ": data");
    options = read_data_options(data_fields);
  }
  Json found_tools;
  task.train = read_split(task, options, false, found_tools, where);
  task.test = read_split(task, options, true, found_tools, where);
  if (task.kind == TaskKind::classification) settle_labels(task, labels, where);
  if (task.kind == TaskKind::extraction) settle_schema(task, schema, where);
  if (task.kind == TaskKind::tool_calling) settle_tools(task, tools, found_tools, where);
  check_outputs(task);
  if (const auto both = leaked(task); !both.empty()) {
    task.notes.push_back(
        fmt::format("leakage: {} of {} test inputs also stand in train (first: {})", both.size(),
                    task.test.size(), task.test[both[0]].origin));
  }
  return task;
}

}  // namespace limbeck
