// The answer store: a table keyed by hash, in write-ahead-log mode with every commit synced.
#include "limbeck/teacher/answer_store.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cstring>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/sha256.h"

namespace limbeck {
namespace {

constexpr int kApplication = 0x4c4d424b;  // "LMBK", in the file's header
constexpr int kVersion = 2;               // 1: without the table of runs, which is then added
constexpr const char* kCreate =
    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, text TEXT NOT NULL, ids BLOB NOT "
    "NULL, soft BLOB NOT NULL, prompt_tokens INTEGER NOT NULL, answer_tokens INTEGER NOT NULL, "
    "logprob REAL NOT NULL) WITHOUT ROWID";

constexpr const char* kCreateRuns =
    "CREATE TABLE IF NOT EXISTS runs (teacher TEXT NOT NULL, tokens INTEGER NOT NULL, seconds REAL "
    "NOT NULL)";

struct Damaged {};  // the file is no sound database

class Statement {
 public:
  Statement(sqlite3* database, const char* sql) : database_(database) {
    check(sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr));
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  void text(int at, std::string_view value) {
    check(sqlite3_bind_text64(statement_, at, value.data(), value.size(), SQLITE_TRANSIENT,
                              SQLITE_UTF8));
  }
  void blob(int at, std::string_view value) {
    const char* bytes = value.empty() ? "" : value.data();  // null would be SQL's NULL
    check(sqlite3_bind_blob64(statement_, at, bytes, value.size(), SQLITE_TRANSIENT));
  }
  void integer(int at, std::int64_t value) { check(sqlite3_bind_int64(statement_, at, value)); }
  void number(int at, double value) { check(sqlite3_bind_double(statement_, at, value)); }

  bool step() {  // is there a row?
    const int result = sqlite3_step(statement_);
    if (result != SQLITE_ROW && result != SQLITE_DONE) check(result);
    return result == SQLITE_ROW;
  }
  std::string bytes_at(int column) {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    const auto n = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return bytes == nullptr ? std::string() : std::string(bytes, n);
  }
  std::int64_t integer_at(int column) { return sqlite3_column_int64(statement_, column); }
  double number_at(int column) { return sqlite3_column_double(statement_, column); }

 private:
  void check(int result) {
    if (result == SQLITE_OK) return;
    if (result == SQLITE_CORRUPT || result == SQLITE_NOTADB) throw Damaged{};
    const char* file = sqlite3_db_filename(database_, "main");
    fail(ErrorKind::io, "{}: {}", file != nullptr ? file : "answer store",
         sqlite3_errmsg(database_));
  }
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
};

void run(sqlite3* database, const char* sql) {
  Statement statement(database, sql);
  while (statement.step()) {
  }
}

std::int64_t number_of(sqlite3* database, const char* sql) {
  Statement statement(database, sql);
  return statement.step() ? statement.integer_at(0) : 0;
}

sqlite3* open_database(const std::filesystem::path& path) {
  sqlite3* database = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  if (result != SQLITE_OK) {
    const std::string why = database != nullptr ? sqlite3_errmsg(database) : "out of memory";
    sqlite3_close(database);
    fail(ErrorKind::io, "{}: the answer store cannot be opened: {}", path.string(), why);
  }
  sqlite3_busy_timeout(database, 10'000);
  return database;
}

// Checks that the file is sound and ours, and sets it up.
void prepare(sqlite3* database, const std::filesystem::path& path) {
  {
    Statement check(database, "PRAGMA quick_check(1)");
    if (!check.step() || check.bytes_at(0) != "ok") throw Damaged{};
  }
  const auto application = number_of(database, "PRAGMA application_id");
  const auto tables = number_of(database, "SELECT count(*) FROM sqlite_schema");
  if (application != kApplication && tables > 0) {
    fail(ErrorKind::usage, "{}: a database, but not an answer store", path.string());
  }
  const auto version = number_of(database, "PRAGMA user_version");
  if (version > kVersion) {
    fail(ErrorKind::unsupported, "{}: answer store of version {}, this program knows {}",
         path.string(), version, kVersion);
  }
  run(database, "PRAGMA journal_mode = WAL");
  run(database, "PRAGMA synchronous = FULL");
  // All or nothing: tables without the mark would be taken for someone else's database.
  run(database, "BEGIN IMMEDIATE");
  run(database, kCreate);
  run(database, kCreateRuns);
  run(database, fmt::format("PRAGMA application_id = {}", kApplication).c_str());
  run(database, fmt::format("PRAGMA user_version = {}", kVersion).c_str());
  run(database, "COMMIT");
}

// The database and its log files, out of the way under a name that is free.
std::filesystem::path move_aside(const std::filesystem::path& path) {
  for (int n = 1;; ++n) {
    const std::filesystem::path target = fmt::format("{}.damaged-{}", path.string(), n);
    if (std::filesystem::exists(target)) continue;
    std::error_code error;
    std::filesystem::rename(path, target, error);
    if (error) {
      fail(ErrorKind::io, "{}: damaged, and it cannot be moved aside: {}", path.string(),
           error.message());
    }
    for (const char* log : {"-wal", "-shm"}) {
      std::filesystem::rename(path.string() + log, target.string() + log, error);  // may be absent
    }
    return target;
  }
}

// Opens and prepares; closes again if that throws.
sqlite3* open_prepared(const std::filesystem::path& path) {
  sqlite3* database = open_database(path);
  try {
    prepare(database, path);
  } catch (...) {
    sqlite3_close(database);
    throw;
  }
  return database;
}

}  // namespace

struct AnswerStore::State {
  std::filesystem::path path;
  sqlite3* database = nullptr;
  ~State() { sqlite3_close(database); }
};

AnswerStore::AnswerStore(const std::filesystem::path& path) : state_(std::make_unique<State>()) {
  state_->path = path;
  if (path.has_parent_path()) {
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    if (error) {
      fail(ErrorKind::io, "{}: cannot be made: {}", path.parent_path().string(), error.message());
    }
  }
  try {
    state_->database = open_prepared(path);
  } catch (const Damaged&) {
    const auto aside = move_aside(path);
    say(fmt::format("{}: the answer store is damaged; moved to {}, starting a new one",
                    path.string(), aside.filename().string()));
    state_->database = open_prepared(path);
  }
}

AnswerStore::~AnswerStore() = default;

std::optional<TeacherAnswer> AnswerStore::find(std::string_view key) {
  try {
    Statement select(state_->database,
                     "SELECT text, ids, soft, prompt_tokens, answer_tokens, logprob FROM answers "
                     "WHERE key = ?");
    select.text(1, key);
    if (!select.step()) return std::nullopt;
    TeacherAnswer answer;
    answer.text = select.bytes_at(0);
    const std::string ids = select.bytes_at(1);
    if (ids.size() % sizeof(TokenId) != 0) return std::nullopt;
    answer.ids.resize(ids.size() / sizeof(TokenId));
    if (!ids.empty()) std::memcpy(answer.ids.data(), ids.data(), ids.size());
    answer.soft = unpack_soft_labels(select.bytes_at(2));
    if (!answer.soft.empty() && answer.soft.size() != answer.ids.size() + 1) return std::nullopt;
    answer.prompt_tokens = select.integer_at(3);
    answer.answer_tokens = select.integer_at(4);
    answer.logprob = select.number_at(5);
    return answer;
  } catch (const Damaged&) {
    return std::nullopt;
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::format) throw;
    return std::nullopt;  // the row's soft labels are damaged: ask again
  }
}

void AnswerStore::put(std::string_view key, const TeacherAnswer& answer) {
  try {
    Statement insert(state_->database,
                     "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)");
    insert.text(1, key);
    insert.text(2, answer.text);
    insert.blob(
        3, {reinterpret_cast<const char*>(answer.ids.data()), answer.ids.size() * sizeof(TokenId)});
    insert.blob(4, pack_soft_labels(answer.soft));
    insert.integer(5, answer.prompt_tokens);
    insert.integer(6, answer.answer_tokens);
    insert.number(7, answer.logprob);
    insert.step();
  } catch (const Damaged&) {
    fail_try(ErrorKind::io, "run the command again: the store will be moved aside and rebuilt",
             "{}: the answer store has become damaged", state_->path.string());
  }
}

void AnswerStore::record_run(std::string_view teacher, std::int64_t tokens, double seconds) {
  Statement insert(state_->database, "INSERT INTO runs VALUES (?, ?, ?)");
  insert.text(1, teacher);
  insert.integer(2, tokens);
  insert.number(3, seconds);
  insert.step();
}

std::optional<double> AnswerStore::find_speed(std::string_view teacher) {
  Statement select(state_->database,
                   "SELECT coalesce(sum(tokens), 0), coalesce(sum(seconds), 0) FROM runs WHERE "
                   "teacher = ?");
  select.text(1, teacher);
  if (!select.step() || select.integer_at(0) <= 0 || select.number_at(1) <= 0) return std::nullopt;
  return static_cast<double>(select.integer_at(0)) / select.number_at(1);
}

std::int64_t AnswerStore::size() {
  return number_of(state_->database, "SELECT count(*) FROM answers");
}

std::int64_t AnswerStore::answer_tokens() {
  return number_of(state_->database, "SELECT coalesce(sum(answer_tokens), 0) FROM answers");
}

std::uint64_t AnswerStore::file_bytes() {
  std::uint64_t bytes = 0;
  for (const char* suffix : {"", "-wal"}) {
    std::error_code error;
    const auto size = std::filesystem::file_size(state_->path.string() + suffix, error);
    if (!error) bytes += size;
  }
  return bytes;
}

std::string answer_key(std::string_view teacher, const Task& task, const Json& messages,
                       const LabelRequest& request) {
  Json asked = {{"teacher", teacher},
                {"messages", messages},
                {"temperature", request.temperature},
                {"max_tokens", request.max_tokens},
                {"signal", name(request.signal)},
                {"constrained", request.constrained}};
  if (request.signal != Signal::text) asked["k"] = request.k;
  if (request.temperature > 0 || request.signal == Signal::sampled) asked["seed"] = request.seed;
  if (request.constrained) {
    asked["form"] = {{"kind", name(task.kind)},
                     {"labels", task.labels},
                     {"schema", task.schema},
                     {"tools", task.tools},
                     {"parallel", task.parallel_calls}};
  }
  return sha256_hex(to_text(asked));
}

}  // namespace limbeck
