#include "limbeck/pipeline/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <vector>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/sha256.h"
#include "limbeck/base/terminal.h"
#include "limbeck/teacher/label.h"

namespace limbeck::pipeline {
namespace {

constexpr std::string_view kStatusSchema = "limbeck.run/1";

std::string utc_now(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, format, &parts)};
}

int lock_folder(const std::filesystem::path& folder) {
  const auto path = folder / ".lock";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) fail(ErrorKind::io, "{}: cannot open: {}", path.string(), std::strerror(errno));
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    ::close(file);
    fail_try(ErrorKind::io,
             "wait until it ends, or give this run a folder of its own with --run-dir",
             "{}: another limbeck is working in this run folder", folder.string());
  }
  return file;
}

// What a killed process was writing: files and folders under temporary names. The lock is held, so
// nobody is writing them now.
void remove_temporaries(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> left;
  std::error_code error;
  std::filesystem::recursive_directory_iterator at(folder, error), end;
  for (; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with('.')) continue;
    for (const char* kind : {".tmp-", ".dev-", ".rollout-"}) {
      if (name.find(kind) == std::string::npos) continue;
      left.push_back(at->path());
      at.disable_recursion_pending();
      break;
    }
  }
  for (const auto& path : left) std::filesystem::remove_all(path, error);
}

// In a folder without a state, which may be anyone's: only those of the files that a run writes
// before its state.
void remove_first_temporaries(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> left;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    for (const char* file : {"recipe.yaml", "recipe.resolved.json", "origin.json", "status.json"}) {
      const bool ours = entry.path().filename().string().starts_with(fmt::format(".{}.tmp-", file));
      if (ours) left.push_back(entry.path());
    }
  }
  for (const auto& path : left) std::filesystem::remove(path);
}

}  // namespace

RunFolder::RunFolder(std::filesystem::path folder) : folder_(std::move(folder)) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (!std::filesystem::is_directory(folder_)) {
    fail(ErrorKind::io, "{}: cannot make the run folder: {}", folder_.string(), error.message());
  }
  lock_ = lock_folder(folder_);
  if (std::filesystem::exists(folder_ / "status.json")) {
    status_ = read_json_file((folder_ / "status.json").string());
    const auto schema = status_.find("schema");
    if (schema == status_.end() || *schema != kStatusSchema || !status_.contains("stages") ||
        !status_["stages"].is_object()) {
      fail_try(ErrorKind::format, "move the folder away and start a new run",
               "{}: not the state of a run this program can resume",
               (folder_ / "status.json").string());
    }
    remove_temporaries(folder_);  // only of what is a run's folder beyond doubt
  } else {
    remove_first_temporaries(folder_);
    status_ = {{"schema", kStatusSchema}, {"state", "running"}, {"stages", Json::object()}};
  }
}

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);
}

Json RunFolder::stage(std::string_view name, std::string_view key,
                      const std::function<Json()>& work) {
  Json& stages = status_["stages"];
  if (const auto found = stages.find(std::string(name)); found != stages.end() &&
                                                         found->value("state", "") == "done" &&
                                                         found->value("key", "") == key) {
    say(fmt::format("{}: done before, taken from {}", name, folder_.string()));
    return found->at("result");
  }
  stages[std::string(name)] = {{"state", "running"}, {"key", key}};
  save();
  event("stage started", {{"stage", name}});
  const auto begin = std::chrono::steady_clock::now();
  Json result = work();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  status_["stages"][std::string(name)] = {
      {"state", "done"}, {"key", key}, {"seconds", seconds}, {"result", result}};
  save();
  event("stage finished", {{"stage", name}, {"seconds", seconds}});
  return result;
}

void RunFolder::event(std::string_view what, const Json& details) {
  Json line = {{"time", utc_now("%Y-%m-%dT%H:%M:%SZ")}, {"event", what}};
  line.update(details);
  const std::string text = to_text(line) + "\n";
  const int file =
      ::open((folder_ / "events.jsonl").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  const bool written =
      file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  if (file >= 0) ::close(file);
  if (!written)
    fail(ErrorKind::io, "{}: cannot append: {}", (folder_ / "events.jsonl").string(),
         std::strerror(error));
}

void RunFolder::set_state(std::string_view state) {
  status_["state"] = state;
  save();
}

std::string RunFolder::state() const { return status_.value("state", ""); }

void RunFolder::save() { write_file(folder_ / "status.json", to_text(status_, 1) + "\n"); }

bool is_locked(const std::filesystem::path& folder) {
  const int file = ::open((folder / ".lock").c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return false;
  const bool taken = ::flock(file, LOCK_EX | LOCK_NB) != 0;
  ::close(file);
  return taken;
}

std::string key_of(const Json& parts) { return sha256_hex(to_text(parts)); }

std::string content_hash(const std::filesystem::path& path) {
  if (is_endpoint(path.string())) return sha256_hex(path.string());
  if (std::filesystem::is_regular_file(path)) return sha256_file(path);
  if (!std::filesystem::is_directory(path))
    fail(ErrorKind::usage, "{}: no such file or folder", path.string());
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    // The card tells of the model and is no part of it.
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && !name.starts_with('.') && name != "README.md")
      files.push_back(entry.path());
  }
  std::ranges::sort(files);
  Sha256 hash;
  for (const auto& file : files)
    hash.add(file.filename().string()).add("\n").add(sha256_file(file)).add("\n");
  return hash.hex();
}

std::filesystem::path new_run_folder(const std::filesystem::path& base, std::string_view name,
                                     std::string_view hash) {
  return base / fmt::format("{}-{}-{}", utc_now("%Y-%m-%dT%H-%M-%SZ"), name, hash.substr(0, 8));
}

std::optional<std::filesystem::path> newest_run_folder(const std::filesystem::path& base,
                                                       std::string_view name,
                                                       std::string_view hash) {
  const std::string suffix = fmt::format("-{}-{}", name, hash.substr(0, 8));
  std::optional<std::filesystem::path> newest;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(base, error)) {
    if (!entry.is_directory() || !entry.path().filename().string().ends_with(suffix)) continue;
    if (!newest || entry.path().filename() > newest->filename()) newest = entry.path();
  }
  return newest;
}

}  // namespace limbeck::pipeline
