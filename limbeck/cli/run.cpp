// limbeck run: a recipe from the teacher's gate to the report.
#include "limbeck/pipeline/run.h"

#include <cstdio>
#include <filesystem>
#include <optional>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/sha256.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/ranks.h"
#include "limbeck/pipeline/run_folder.h"
#include "limbeck/report/tables.h"

namespace limbeck::cli {
namespace {

constexpr const char* kRunExamples =
    "limbeck run examples/helpdesk/recipe.yaml\n"
    "limbeck run examples/helpdesk/recipe.yaml --resume";

std::filesystem::path choose_folder(const std::string& run_dir, const std::filesystem::path& base,
                                    bool resume, const pipeline::Recipe& recipe) {
  if (!run_dir.empty()) return run_dir;
  const std::string hash = sha256_hex(to_text(recipe.resolved));
  if (!resume) return pipeline::new_run_folder(base, recipe.name, hash);
  const auto newest = pipeline::newest_run_folder(base, recipe.name, hash);
  if (!newest) {
    fail_try(ErrorKind::usage, "start one without --resume, or name its folder with --run-dir",
             "{}: no run of this recipe is here to resume", base.string());
  }
  return *newest;
}

}  // namespace

int run_run(int argc, char** argv) {
  std::filesystem::path recipe_path, base = "runs";
  std::string run_dir;
  bool resume = false, dry_run = false;
  Arguments arguments(
      "run",
      "Gate the teacher, label, distil, quantize, compare and report, as a recipe "
      "says. A run that was killed resumes.\n"
      "A recipe's keys: task, name, seed, seeds; teacher {model | train | endpoint, "
      "model, max_cost, rpm, ..}; label {signal, k};\nstudent {model | shape | "
      "from: teacher, layers, ffn, ..; vocabulary}; distill {epochs, loss, control, "
      "..}; quantize [{type | bpw | size, method, of}];\ncompare {tasks, texts, bits, limit}. "
      "Without a student the teacher is quantized and compared. All keys: docs/distillation.md.",
      kRunExamples);
  arguments.app().add_option("recipe", recipe_path, "The recipe, a YAML file")->required();
  arguments.app().add_option("--run-dir", run_dir,
                             "Folder of this run: made if absent, resumed if there");
  arguments.app().add_option("--runs", base, "Folder that holds the runs")->capture_default_str();
  arguments.app().add_flag("--resume", resume, "Go on with the newest run of this recipe");
  arguments.app().add_flag(
      "--dry-run", dry_run,
      "Print the recipe with every default filled in, and what the teacher will be asked: "
      "requests, tokens, time, cost; then stop");
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;

  return on_ranks(arguments.common(), [&](distill::Ranks* ranks) {
    pipeline::Recipe recipe = pipeline::read_recipe(recipe_path);
    recipe.distill.ranks = ranks;
    if (recipe.teacher_training) recipe.teacher_training->train.ranks = ranks;
    ThreadPool pool(arguments.common().threads);
    if (dry_run) {
      print(to_text(pipeline::dry_run(recipe, pool), 2) + "\n");
      return 0;
    }
    pipeline::RunOptions options;
    options.recipe = recipe_path;
    options.folder = choose_folder(run_dir, base, resume, recipe);
    options.command = "limbeck run " + recipe_path.string();
    say(fmt::format("run: {}", options.folder.string()));
    const Json results = pipeline::run(recipe, options, pool);
    if (arguments.common().json) {
      print_json(results);
    } else {
      print("\n" + report::terminal_text(results, terminal_columns(1)));
      print(fmt::format("\nReport: {}\n", (options.folder / "report.html").string()));
    }
    return 0;
  });
}

}  // namespace limbeck::cli
