// limbeck runs: the run folders here and how far each came. limbeck resume: go on with one.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/commands.h"
#include "limbeck/pipeline/run_folder.h"
#include "limbeck/report/results.h"

namespace limbeck::cli {
namespace {

namespace fs = std::filesystem;
using report::at;

// {"run", "state", "stages": {"done", "last"}, "seconds", "resume", "report"}
Json summary_of(const fs::path& folder) {
  Json status;
  try {
    status = read_json_file((folder / "status.json").string());
  } catch (const Error& error) {
    return {{"run", folder.string()}, {"state", "damaged"}, {"why", error.what()}};
  }
  std::string last;
  int done = 0;
  double seconds = 0;
  for (const auto& [name, stage] : at(status, {"stages"}).items()) {
    last = name;
    if (at(stage, {"state"}) != "done") continue;
    ++done;
    if (const Json& spent = at(stage, {"seconds"}); spent.is_number())
      seconds += spent.get<double>();
  }
  std::string state =
      at(status, {"state"}).is_string() ? status.at("state").get<std::string>() : "?";
  // A folder that says "running" and that nobody holds was killed.
  if (state == "running" && !pipeline::is_locked(folder)) state = "killed";
  Json summary = {{"run", folder.string()},
                  {"state", state},
                  {"stages_done", done},
                  {"last_stage", last},
                  {"seconds", seconds}};
  if (fs::exists(folder / "report.html")) summary["report"] = (folder / "report.html").string();
  return summary;
}

std::vector<Json> runs_in(const fs::path& base) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(base, error)) {
    if (entry.is_directory() && fs::exists(entry.path() / "status.json"))
      folders.push_back(entry.path());
  }
  if (error)
    fail_try(ErrorKind::usage, "name the folder of runs: limbeck runs FOLDER",
             "{}: cannot be read: {}", base.string(), error.message());
  std::ranges::sort(folders, std::greater{});
  std::vector<Json> runs;
  for (const fs::path& folder : folders) runs.push_back(summary_of(folder));
  return runs;
}

}  // namespace

int run_runs(int argc, char** argv) {
  fs::path base = "runs";
  Arguments arguments("runs", "The run folders here, newest first, and how far each came.",
                      "limbeck runs\nlimbeck runs /data/runs --json");
  arguments.app().add_option("folder", base, "Folder that holds the runs")->capture_default_str();
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;
  const std::vector<Json> runs = runs_in(base);
  if (arguments.common().json) {
    print_json({{"schema", 1}, {"runs", runs}});
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {{"run", "state", "stages", "last", "time"}};
  for (const Json& run : runs) {
    rows.push_back({safe_tty(run.at("run").get<std::string>()),
                    safe_tty(run.at("state").get<std::string>()),
                    run.contains("stages_done") ? run.at("stages_done").dump() : "-",
                    safe_tty(run.value("last_stage", std::string("-"))),
                    human_seconds(run.value("seconds", 0.0))});
  }
  print(runs.empty() ? fmt::format("no runs in {}\n", base.string()) : text_table(rows));
  return 0;
}

int run_run(int argc, char** argv);

int run_resume(int argc, char** argv) {
  fs::path folder;
  Arguments arguments("resume", "Goes on with a run that was stopped or killed, where it was.",
                      "limbeck resume runs/2026-11-26T18-00-00Z-routing-1a2b3c4d\n"
                      "limbeck resume $(ls -d runs/* | tail -1) --threads 2");
  arguments.app().add_option("run", folder, "The run's folder")->required();
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;
  const fs::path origin = folder / "origin.json";
  if (!fs::exists(folder / "status.json"))
    fail_try(ErrorKind::usage, "limbeck runs lists those that are here",
             "{}: not the folder of a run", folder.string());
  if (!fs::exists(origin))
    fail_try(ErrorKind::usage, "limbeck run RECIPE --run-dir " + folder.string(),
             "{}: does not say which recipe it was made from", folder.string());
  const Json json = read_json_file(origin.string());
  const Json& recipe = at(json, {"recipe"});
  if (!recipe.is_string()) fail(ErrorKind::format, "{}: 'recipe' must be a path", origin.string());
  std::vector<std::string> words = {"run", recipe.get<std::string>(), "--run-dir", folder.string()};
  words.push_back("--threads");
  words.push_back(std::to_string(arguments.common().threads));
  if (arguments.common().json) words.emplace_back("--json");
  if (verbosity() == Verbosity::quiet) words.emplace_back("-q");
  if (verbosity() == Verbosity::verbose) words.emplace_back("-v");
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return run_run(static_cast<int>(words.size()), pointers.data());
}

}  // namespace limbeck::cli
