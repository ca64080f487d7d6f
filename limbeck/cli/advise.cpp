// limbeck advise: which way to make a model smaller, before anything is spent.
#include "limbeck/pipeline/advise.h"

#include <filesystem>
#include <vector>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/pipeline/compare.h"
#include "limbeck/pipeline/expectations.h"

namespace limbeck::cli {
namespace {

constexpr const char* kAdviseExamples =
    "limbeck advise model --task tasks/routing --max-size 300MB --recipe recipe.yaml\n"
    "limbeck advise model.gguf --max-memory 8GB --general --measure";

constexpr double kMeasureSeconds = 90;  // of the two minutes that --measure promises

}  // namespace

int run_advise(int argc, char** argv) {
  std::filesystem::path model, task, recipe;
  std::vector<std::filesystem::path> results;
  std::string max_size, max_memory;
  bool measure = false;
  pipeline::AdviseLimits limits;
  Arguments arguments("advise",
                      "Quantize, distil, or both? A ranked plan with size, memory, speed and cost, "
                      "where each expectation comes from, and what would change the answer.",
                      kAdviseExamples);
  CLI::App& app = arguments.app();
  app.add_option("model", model, "Model folder, .gguf file, or a folder with config.json alone")
      ->required();
  app.add_option("--task", task, "Task folder, if the model is for one task");
  app.add_option("--max-size", max_size, "Largest file: 300MB, 2GiB");
  app.add_option("--max-memory", max_memory, "Most memory while running");
  app.add_option("--min-speed", limits.min_tokens_per_s, "Least generated tokens/s on this machine")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--min-items", limits.min_items_per_s, "Least task items/s on this machine")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--gpu-hours", limits.gpu_hours, "Accelerator hours that may be spent on training")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--gpu", limits.gpu, "That accelerator: H100 SXM, A100, L4, RTX 4090, ...")
      ->capture_default_str();
  app.add_option("--cpu-hours", limits.cpu_hours,
                 "Hours of this machine that may be spent on training")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--context", limits.context, "Positions the model must hold")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--general", limits.general, "The model must stay a generalist");
  app.add_option("--results", results,
                 "results.json of earlier comparisons: own measurements come first");
  app.add_flag("--measure", measure, "Measure first (at most two minutes), here and now");
  app.add_option("--recipe", recipe, "Write the recipe that carries the plan out");
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;

  if (!max_size.empty())
    limits.max_bytes = static_cast<double>(parse_bytes(max_size, "--max-size"));
  if (!max_memory.empty())
    limits.max_memory = static_cast<double>(parse_bytes(max_memory, "--max-memory"));
  ThreadPool pool(arguments.common().threads);
  pipeline::find_accelerator(limits.gpu);
  auto input = pipeline::read_advise_input(model, task, results);
  const pipeline::MachineLimits machine = pipeline::measure_machine(pool);
  if (measure)
    pipeline::measure_quality(input, machine, kMeasureSeconds / 2, task, pipeline::default_cache(),
                              pool);
  const Json advice =
      pipeline::advise(input, limits, machine, measure ? &pool : nullptr, kMeasureSeconds / 2);
  if (!recipe.empty()) {
    const std::string text = pipeline::recipe_of(advice, input, task);
    if (text.empty()) {
      say(task.empty()
              ? "advise: no recipe was written: a recipe needs a --task"
              : "advise: no recipe was written: the plan is none that a recipe carries out");
    } else {
      write_file(recipe, text);
    }
  }
  if (arguments.common().json) {
    print_json(advice);
  } else {
    print(pipeline::advice_text(advice));
  }
  return 0;
}

}  // namespace limbeck::cli
