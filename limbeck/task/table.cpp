// Tables: JSON lines or delimited text with a column for the input and one for the answer.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "limbeck/base/error.h"
#include "limbeck/task/data.h"
#include "limbeck/task/words.h"

namespace limbeck {
namespace {

// Names in use, in order of preference: our own, then Alpaca, OpenAI's legacy prompt/completion,
// SQuAD-like tables, and what classification sets call theirs.
constexpr std::array kInputNames = {"input",    "prompt",    "question", "instruction", "text",
                                    "sentence", "utterance", "query",    "content"};
constexpr std::array kOutputNames = {"output",   "completion", "answer", "answers", "label",
                                     "category", "response",   "target", "intent",  "summary"};

struct Columns {
  std::vector<std::string> input;
  std::string output;  // empty: none
};

std::vector<std::string> keys_of(const Json& row) {
  std::vector<std::string> keys;
  for (const auto& item : row.items()) keys.push_back(item.key());
  return keys;
}

void check_column(const std::string& name, const Json& row, const std::string& file) {
  if (row.contains(name)) return;
  const auto keys = keys_of(row);
  const std::string near = nearest(name, keys);
  fail(ErrorKind::usage, "{}: there is no column '{}' (columns: {}){}", file, name,
       fmt::join(keys, ", "), near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
}

Columns find_columns(const Json& row, const std::string& file, const DataOptions& options,
                     bool gold) {
  Columns columns{options.input, options.output};
  for (const auto& name : columns.input) check_column(name, row, file);
  if (columns.input.empty()) {
    const auto found = std::find_if(kInputNames.begin(), kInputNames.end(),
                                    [&](const char* name) { return row.contains(name); });
    if (found == kInputNames.end()) {
      fail_try(ErrorKind::usage, "name it in task.yaml under data: input: COLUMN",
               "{}: no column looks like the input (columns: {})", file,
               fmt::join(keys_of(row), ", "));
    }
    if (std::string_view(*found) == "question" && row.contains("context")) {
      columns.input = {"context", "question"};
    } else if (std::string_view(*found) == "input" && row.contains("instruction")) {
      columns.input = {"instruction", "input"};
    } else {
      columns.input = {*found};
    }
  }
  if (columns.output.empty()) {
    for (const char* name : kOutputNames) {
      const bool taken =
          std::find(columns.input.begin(), columns.input.end(), name) != columns.input.end();
      if (!taken && row.contains(name)) {
        columns.output = name;
        break;
      }
    }
  } else if (gold) {
    check_column(columns.output, row, file);
  }
  if (columns.output.empty() && gold) {
    fail_try(ErrorKind::usage, "name it in task.yaml under data: output: COLUMN",
             "{}: no column looks like the answer (columns: {})", file,
             fmt::join(keys_of(row), ", "));
  }
  return columns;
}

bool is_conversation(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const Json& message) {
           return message.is_object() && message.contains("role");
         });
}

// Some published sets hold the conversation as JSON inside a string.
Json opened(const Json& value) {
  if (!value.is_string()) return value;
  const auto text = trimmed(value.get_ref<const std::string&>());
  if (!text.starts_with("[{")) return value;
  try {
    Json inner = parse_json(text, "input");
    return is_conversation(inner) ? inner : value;
  } catch (const Error&) {
    return value;
  }
}

bool is_empty(const Json& value) {
  if (value.is_string()) return trimmed(value.get_ref<const std::string&>()).empty();
  return value.is_null() || ((value.is_object() || value.is_array()) && value.empty());
}

Json input_of(const Json& row, const std::vector<std::string>& columns, const std::string& where) {
  const auto value_of = [&](const std::string& name) {
    return row.contains(name) ? opened(row[name]) : Json();
  };
  std::vector<std::string> filled;
  for (const auto& name : columns) {
    if (!is_empty(value_of(name))) filled.push_back(name);
  }
  if (filled.empty()) return nullptr;
  if (filled.size() == 1) {
    Json value = value_of(filled[0]);
    const bool wrapped = value.is_object() && value.contains("messages");
    const Json& messages = wrapped ? value["messages"] : value;
    if (is_conversation(messages)) return {{"messages", normal_messages(messages, where)}};
    if (wrapped) fail(ErrorKind::usage, "{}: 'messages' is no list of messages with roles", where);
    return value.is_number() || value.is_boolean() ? Json(value.dump()) : value;
  }
  Json object = Json::object();
  for (const auto& name : filled) object[name] = value_of(name);
  return object;
}

}  // namespace

DataFile read_table(const std::vector<Row>& rows, const std::string& file,
                    const DataOptions& options, TaskKind kind, bool gold) {
  DataFile out;
  if (rows.empty()) return out;
  const Columns columns = find_columns(rows[0].value, file, options, gold);
  Skipped skipped;
  for (const Row& row : rows) {
    Example example;
    example.origin = fmt::format("{}:{}", file, row.line);
    example.input = input_of(row.value, columns.input, example.origin);
    if (is_empty(example.input)) {
      skipped.add("no input", row.line);
      continue;
    }
    // An empty answer is an answer to a question (there is none), and to nothing else.
    const bool has = !columns.output.empty() && row.value.contains(columns.output) &&
                     !row.value[columns.output].is_null() &&
                     (kind == TaskKind::qa || kind == TaskKind::extraction ||
                      !is_empty(row.value[columns.output]));
    if (has) example.output = row.value[columns.output];
    if (!has && gold) {
      skipped.add("no answer", row.line);
      continue;
    }
    out.examples.push_back(std::move(example));
  }
  out.notes.push_back(fmt::format("{}: input '{}', output {}", file,
                                  fmt::join(columns.input, "' + '"),
                                  columns.output.empty() ? "none" : "'" + columns.output + "'"));
  if (!skipped.text().empty()) out.notes.push_back(file + ": " + skipped.text());
  return out;
}

}  // namespace limbeck
