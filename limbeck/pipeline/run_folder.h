// A run's folder: one process at a time, a state that survives kill -9, stages that are never
// redone.
//
// <folder>/recipe.yaml          the recipe as given
//          recipe.resolved.json the recipe with every default filled in
//          status.json          {"schema", "state", "stages": {name: {"state", "key", "seconds",
//          "result"}}} events.jsonl         what happened when models/, teacher/, checkpoints/,
//          results.json, report.md, report.html
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "limbeck/base/json.h"

namespace limbeck::pipeline {

class RunFolder {
 public:
  // Makes or opens the folder and locks it. Throws Error{io} if another process works in it,
  // Error{format} if status.json is damaged.
  explicit RunFolder(std::filesystem::path folder);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::filesystem::path& path() const noexcept { return folder_; }

  // The result of stage `name`: taken from status.json if it finished with the same `key` before,
  // else of `work`, recorded when it returns. `key` is the hash of all that the stage depends on.
  Json stage(std::string_view name, std::string_view key, const std::function<Json()>& work);

  void event(std::string_view what, const Json& details = Json::object());
  void set_state(std::string_view state);  // running | done | failed | interrupted
  std::string state() const;

 private:
  void save();
  std::filesystem::path folder_;
  Json status_;
  int lock_ = -1;
};

// Whether a process works in this run's folder now.
bool is_locked(const std::filesystem::path& folder);

// SHA-256 of a JSON tree's text: a stage's key.
std::string key_of(const Json& parts);

// A hash that changes when a model's or task's files change: names, sizes and contents. Of an
// endpoint: its URL's.
std::string content_hash(const std::filesystem::path& path);

// <base>/<UTC>-<name>-<first 8 of hash>. `newest`: the latest existing folder of that name and
// hash.
std::filesystem::path new_run_folder(const std::filesystem::path& base, std::string_view name,
                                     std::string_view hash);
std::optional<std::filesystem::path> newest_run_folder(const std::filesystem::path& base,
                                                       std::string_view name,
                                                       std::string_view hash);

}  // namespace limbeck::pipeline
