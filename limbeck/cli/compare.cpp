// limbeck compare: models side by side on the user's own task.
#include "limbeck/pipeline/compare.h"

#include <vector>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/report/html.h"
#include "limbeck/report/tables.h"
#include "limbeck/teacher/label.h"

namespace limbeck::cli {
namespace {

constexpr const char* kCompareExamples =
    "limbeck compare teacher teacher-q4_k_m.gguf student --task tasks/routing\n"
    "limbeck compare teacher student --task tasks/routing --bits 8,4,3,2 --html report.html\n"
    "limbeck compare a.gguf http://127.0.0.1:8080/v1#big --task tasks/routing --json results.json";

// "name=path" or a path.
pipeline::ComparedModel parse_model(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || is_endpoint(text)) return {"", text, "", ""};
  return {text.substr(0, equals), text.substr(equals + 1), "", ""};
}

}  // namespace

int run_compare(int argc, char** argv) {
  std::vector<std::string> models, tasks, texts;
  std::string json, html, markdown;
  pipeline::CompareOptions options;
  bool no_speed = false, free_form = false, no_cache = false;
  std::filesystem::path cache;
  Arguments arguments("compare",
                      "Measure models side by side: size, speed, accuracy with intervals, general "
                      "ability. The first is what the others are compared with.",
                      kCompareExamples);
  arguments.app()
      .add_option("models", models,
                  "Folders, .gguf files or http://host:port/v1#name; NAME=PATH names one")
      ->required();
  arguments.app()
      .add_option("--task", tasks,
                  "Task folder; the first decides, further ones show what was forgotten")
      ->take_all();
  arguments.app()
      .add_option("--text", texts, "Text file for perplexity and KL to the first model")
      ->take_all();
  arguments.app()
      .add_option("--limit", options.limit, "Test items of each task; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  arguments.app()
      .add_option("--text-tokens", options.text_tokens, "Tokens of each text; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  arguments.app()
      .add_option("--bits", options.bits,
                  "Also quantized on the fly: 8,6,4,3,2, 3.5, or types; models of 16 bits and more")
      ->delimiter(',');
  arguments.app().add_option("--bits-method", options.bits_method,
                             "rtn, imatrix or gptq; default: gptq where the task can calibrate");
  arguments.app().add_option("--cache", cache,
                             "Folder that keeps what was measured (default ~/.cache/limbeck)");
  arguments.app().add_flag("--no-cache", no_cache, "Measure everything anew");
  arguments.app().add_flag("--no-speed", no_speed, "Leave speed, latency and memory out");
  arguments.app().add_flag("--free-form", free_form, "Do not force answers into the task's form");
  arguments.app().add_option("--json", json, "Write the results here (limbeck.compare/1)");
  arguments.app().add_option("--html", html, "Write the report here");
  arguments.app().add_option("--markdown", markdown, "Write the table here");
  if (!arguments.parse(argc, argv)) return 0;

  for (const std::string& model : models) options.models.push_back(parse_model(model));
  options.tasks.assign(tasks.begin(), tasks.end());
  options.texts.assign(texts.begin(), texts.end());
  if (options.tasks.empty() && options.texts.empty()) {
    fail_try(ErrorKind::usage, "give --task FOLDER, --text FILE, or both",
             "compare: nothing to measure on was given");
  }
  if (no_cache && !options.bits.empty())
    fail_try(ErrorKind::usage, "give an empty folder with --cache to measure anew",
             "compare: --bits keeps its files in the cache, --no-cache leaves none");
  if (!no_cache) options.cache = cache.empty() ? pipeline::default_cache() : cache;
  options.speed = !no_speed;
  options.constrained = !free_form;
  options.seed = arguments.common().seed;
  options.command = "limbeck";
  for (int i = 0; i < argc; ++i) options.command += std::string(" ") + argv[i];

  ThreadPool pool(arguments.common().threads);
  const Json results = pipeline::compare(options, pool);
  if (!json.empty()) write_file(json, to_text(results, 1) + "\n");
  if (!html.empty()) write_file(html, report::html_page(results));
  if (!markdown.empty()) write_file(markdown, report::markdown(results));
  print(report::terminal_text(results, terminal_columns(1)));
  return 0;
}

}  // namespace limbeck::cli
