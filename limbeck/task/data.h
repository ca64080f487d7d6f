// The data files of a task: whatever shape they have, examples come out.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/fields.h"
#include "limbeck/base/json.h"
#include "limbeck/format/rows.h"
#include "limbeck/task/task.h"

namespace limbeck {

// Bytes that the examples made of one row may repeat of it: a context before each of its
// questions, a conversation's beginning before each of its answers.
inline constexpr std::size_t kMostCopied = std::size_t{256} << 20;

// The `data:` part of task.yaml.
struct DataOptions {
  std::vector<std::string> train, test;  // paths as written; empty: train.jsonl, test.jsonl
  std::string format = "auto";           // auto | table | chat | squad | snips | restaurant8k
  std::vector<std::string> input;        // columns of a table; empty: found by name
  std::string output;                    // column of a table; empty: found by name
  std::string turns = "last";  // chat: the "last" assistant message is the answer, or "all" in turn
};
DataOptions read_data_options(Fields& fields);

// `text` with each ${NAME} replaced by that environment variable. Throws Error{usage} naming
// `where` if one is not set, or a brace is not closed.
std::string expand_environment(std::string_view text, std::string_view where);

// A path of task.yaml: environment expanded, relative to the task's folder, `*` matched (sorted).
// Throws Error{usage} if nothing is there.
std::vector<std::filesystem::path> data_files(const std::filesystem::path& folder,
                                              std::string_view path, std::string_view where);

// Examples as the file has them (outputs unchecked), what was found as notes, and the tool
// definitions that chat rows carry (null if none).
struct DataFile {
  std::vector<Example> examples;
  std::vector<std::string> notes;
  Json tools;
};
// `gold`: a row without an answer is skipped, not kept for the teacher.
// Throws Error{usage, format} naming file and line.
DataFile read_data_file(const std::filesystem::path& file, const DataOptions& options,
                        TaskKind kind, bool gold);

// --- for the readers of single shapes ---
// Counts skipped rows by reason, with the first line numbers.
class Skipped {
 public:
  void add(std::string_view reason, std::size_t line);
  // "3 rows skipped: no answer (lines 4, 9, 17)"; empty if none.
  std::string text() const;

 private:
  struct Reason {
    std::string why;
    std::size_t count = 0;
    std::vector<std::size_t> lines;
  };
  std::vector<Reason> reasons_;
};

// The messages of a conversation in one shape: role among system, user, assistant and tool, content
// as text, tool calls with arguments as objects. Throws Error{usage} starting with `where`.
Json normal_messages(const Json& messages, const std::string& where);

DataFile read_table(const std::vector<Row>& rows, const std::string& file,
                    const DataOptions& options, TaskKind kind, bool gold);
DataFile read_chat(const std::vector<Row>& rows, const std::string& file,
                   const DataOptions& options, TaskKind kind, bool gold);
// Sonos' SNIPS: {intent: [{"data": [{"text", "entity"?}]}]}. Classification: the intent;
// extraction: the slots, repeated ones joined by ", ".
DataFile read_snips(const Json& root, const std::string& file, TaskKind kind);
// PolyAI's span extraction (restaurant8k, DSTC8): [{"userInput", "context", "labels"}]. The slot
// that was asked for is part of the input.
DataFile read_spans(const Json& root, const std::string& file);
// SQuAD 1.1 and 2.0: unanswerable questions have the answer "".
DataFile read_squad(const Json& root, const std::string& file);

}  // namespace limbeck
