// limbeck label: a teacher's answers to a task's training inputs, into a store.
#include "limbeck/teacher/label.h"

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/teacher_options.h"
#include "limbeck/format/rows.h"
#include "limbeck/teacher/answer_store.h"

namespace limbeck::cli {
namespace {

constexpr const char* kLabelExamples =
    "limbeck label --task tasks/routing --teacher teacher -o answers.sqlite --signal top_k\n"
    "limbeck label --task tasks/routing --teacher http://127.0.0.1:8080/v1#big -o answers.sqlite "
    "--dry-run";

struct LabelOptions {
  std::string task, store, signal = "text", prompt, rows;
  TeacherChoice teacher;
  std::int64_t limit = 0;
  bool dry_run = false, smoke = false, free_form = false;
  LabelRequest request;
};

void add_options(CLI::App& app, LabelOptions& options) {
  app.add_option("--task", options.task, "Task folder: its training inputs are answered")
      ->required();
  app.add_option("--teacher", options.teacher.model,
                 "Model folder, .gguf file, or http://host:port/v1#name")
      ->required();
  app.add_option("-o,--output", options.store, "The answer store (SQLite), made or gone on with")
      ->required();
  app.add_option("--signal", options.signal, "text, top_k or sampled (RS-KD) soft labels");
  app.add_option("-k", options.request.k, "Entries (top_k) or draws (sampled) a position");
  app.add_option("--temperature", options.request.temperature, "Of the answers; 0: greedy")
      ->check(CLI::Range(0.0, 10.0));
  app.add_option("--max-tokens", options.request.max_tokens, "Of an answer")
      ->check(CLI::PositiveNumber);
  app.add_option("--limit", options.limit, "Training inputs; 0: all")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--prompt", options.prompt,
                 "full, instruction or bare; default: as the teacher was trained");
  app.add_flag("--free-form", options.free_form, "Do not force answers into the task's form");
  app.add_option("--rows", options.rows, "Also write input and valid answer as a train.jsonl here");
  app.add_option("--vocabulary", options.teacher.vocabulary,
                 "Endpoints, --signal top_k: the model in whose tokens the soft labels are kept");
  app.add_flag("--dry-run", options.dry_run,
               "Say what would be asked, its tokens, time and cost, and ask nothing");
  app.add_flag("--smoke", options.smoke,
               "Ask 16 items, say what the others will take by them, and stop");
  add_endpoint_options(app, options.teacher.budget);
}

// What labelling would ask and take, and its first request.
int dry_run(const LabelOptions& options, const Task& task, std::span<const Example> examples,
            std::optional<PromptStyle> style, ThreadPool& pool, bool json) {
  OpenTeacher teacher(options.teacher, pool);
  LabelRequest request = options.request;
  request.style = style.value_or(teacher.style());
  std::optional<AnswerStore> store;
  if (std::filesystem::exists(options.store)) store.emplace(options.store);
  const LabelEstimate estimate =
      estimate_labels(teacher.teacher().identity(), teacher.tokenizer(), teacher.budget(), task,
                      examples, request, store ? &*store : nullptr);
  const Json first = prompt_messages(task, examples[0].input, request.style);
  if (json) {
    print_json({{"dry_run", true},
                {"items", examples.size()},
                {"prompt", name(request.style)},
                {"estimate", to_json(estimate)},
                {"first_request", first}});
    return 0;
  }
  print(fmt::format("{}\nthe first request:\n{}\n", text_of(estimate),
                    safe_tty(to_text(first, 2), true)));
  return 0;
}

void write_rows(const std::string& path, const Task& task, std::span<const Example> examples,
                const LabelOutcome& outcome) {
  std::vector<Json> rows;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    ParsedAnswer parsed = parse_answer(task, outcome.answers[i].text);
    if (parsed.valid) rows.push_back({{"input", examples[i].input}, {"output", parsed.value}});
  }
  write_jsonl(path, rows);
}

int run(const LabelOptions& options, const Task& task, std::span<const Example> examples,
        std::optional<PromptStyle> style, ThreadPool& pool, bool json) {
  OpenTeacher teacher(options.teacher, pool);
  LabelJob job;
  job.style = style;
  job.store = options.store;
  job.smoke_only = options.smoke;
  const LabelOutcome outcome = label_examples(teacher, task, examples, options.request, job);
  std::int64_t valid = 0, right = 0, gold = 0;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    valid += parse_answer(task, outcome.answers[i].text).valid;
    if (!examples[i].output || (options.smoke && outcome.answers[i].text.empty())) continue;
    ++gold;
    right += score_answer(task, outcome.answers[i].text, *examples[i].output).primary == 1;
  }
  if (!options.rows.empty()) write_rows(options.rows, task, examples, outcome);
  Json summary = outcome.summary;
  summary["valid"] = valid;
  if (gold > 0) summary["agrees_with_gold"] = {{"right", right}, {"n", gold}};
  if (json) {
    print_json(summary);
    return 0;
  }
  const LabelReport& report = outcome.report;
  print(fmt::format(
      "{} items: {} from the store, {} asked ({} prompt and {} answer tokens) in {}; "
      "{} valid answers{}\n",
      report.items, report.from_store, report.asked,
      human_count(static_cast<double>(report.prompt_tokens)),
      human_count(static_cast<double>(report.answer_tokens)), human_seconds(report.seconds), valid,
      report.requests > 0 ? fmt::format("; {} requests, cost {:.4g}", report.requests, report.cost)
                          : ""));
  if (gold > 0) print(fmt::format("{} of {} agree with the gold output\n", right, gold));
  if (report.soft_positions > 0) {
    print(fmt::format(
        "soft labels: {:.1f} bytes a token\n",
        static_cast<double>(report.soft_bytes) / static_cast<double>(report.soft_positions)));
  }
  return 0;
}

}  // namespace

int run_label(int argc, char** argv) {
  LabelOptions options;
  Arguments arguments("label",
                      "Answer a task's training inputs with a teacher, into a store that "
                      "is never paid for twice",
                      kLabelExamples);
  add_options(arguments.app(), options);
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;
  options.request.signal = signal_of(options.signal);
  options.request.seed = arguments.common().seed;
  options.request.constrained = !options.free_form;
  const Task task = read_task(options.task);
  for (const auto& note : task.notes) say(note);
  std::span<const Example> examples = task.train;
  if (options.limit > 0) {
    examples = examples.first(std::min(examples.size(), static_cast<std::size_t>(options.limit)));
  }
  if (examples.empty())
    fail(ErrorKind::usage, "{}: there is no training input to label", task.name);
  std::optional<PromptStyle> style;
  if (!options.prompt.empty()) style = prompt_style(options.prompt);
  check_budget(options.teacher.budget, "limbeck label");
  ThreadPool pool(arguments.common().threads);
  if (options.dry_run) {
    return dry_run(options, task, examples, style, pool, arguments.common().json);
  }
  return run(options, task, examples, style, pool, arguments.common().json);
}

}  // namespace limbeck::cli
