// Teacher answers on disk: one SQLite file, addressed by what was asked.
// https://www.sqlite.org/wal.html
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "limbeck/teacher/teacher.h"

namespace limbeck {

// SHA-256 over everything an answer depends on: the teacher, the messages, the task's answer form
// where decoding is constrained to it, the sampling and the signal.
std::string answer_key(std::string_view teacher, const Task& task, const Json& messages,
                       const LabelRequest& request);

class AnswerStore {
 public:
  // Makes the file if there is none. A damaged file is moved aside to `<path>.damaged-<n>` (said on
  // standard error) and a new one begun. Throws Error{io} if it cannot be opened or is locked for
  // 10 s, Error{usage} if it is a database of something else, Error{unsupported} if a newer Limbeck
  // wrote it.
  explicit AnswerStore(const std::filesystem::path& path);
  ~AnswerStore();
  AnswerStore(const AnswerStore&) = delete;
  AnswerStore& operator=(const AnswerStore&) = delete;

  // nullopt if absent, or if the row is damaged.
  std::optional<TeacherAnswer> find(std::string_view key);
  // On return the answer is on disk, whatever happens to this process or machine. Throws Error{io}.
  void put(std::string_view key, const TeacherAnswer& answer);

  // How fast a teacher was: what time is estimated from. `find_speed`: tokens (of prompts and
  // answers) a second over its runs into this store; nullopt before the first.
  void record_run(std::string_view teacher, std::int64_t tokens, double seconds);
  std::optional<double> find_speed(std::string_view teacher);

  std::int64_t size();           // answers
  std::int64_t answer_tokens();  // of all of them
  std::uint64_t file_bytes();    // with its write-ahead log

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Soft labels as stored bytes: for each position the ids, rising, with counts or with probabilities
// whose steps are finer the larger they are (.0005 at 1, 1.2 % at .0001); 1.2 to 2.4 bytes an
// entry of a top-64. `unpack` gives top-k entries by falling value and throws Error{format} on
// damaged bytes.
std::string pack_soft_labels(const std::vector<SoftLabel>& labels);
std::vector<SoftLabel> unpack_soft_labels(std::string_view bytes);

}  // namespace limbeck
