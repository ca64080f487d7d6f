// limbeck eval: the score of a task, or perplexity and KL divergence on text.
#include <charconv>
#include <chrono>
#include <memory>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/cache_option.h"
#include "limbeck/cli/model_commands.h"
#include "limbeck/evaluate/draft_gain.h"
#include "limbeck/evaluate/evaluate.h"
#include "limbeck/format/rows.h"
#include "limbeck/teacher/label.h"

namespace limbeck::cli {
namespace {

constexpr std::uint64_t kMostTextBytes = std::uint64_t{1} << 30;
constexpr const char* kEvalExamples =
    "limbeck eval model.gguf --task tasks/routing --json\n"
    "limbeck eval teacher --task tasks/routing --draft student.gguf --threads 1 --limit 40\n"
    "limbeck eval small.gguf --text wiki.txt --reference original --context 1024";

struct EvalOptions {
  std::string model, task, text, reference, prompt, predictions, draft;
  std::int64_t limit = 0, max_tokens = 0, context = 512, skip = 0;
  bool free_form = false, second_half = false, ids = false, beyond_context = false;
  std::string records;
  SpeculativeOptions speculative;
  int draft_rounds = 3;
  TensorType cache = TensorType::f32;
};

void add_options(CLI::App& app, EvalOptions& options) {
  app.add_option("model", options.model,
                 "Model folder, .gguf file, http://host:port/v1#name, or answers.jsonl")
      ->required();
  auto* task = app.add_option("--task", options.task, "Task folder: score its test set");
  app.add_option("--text", options.text, "Text file: perplexity")->excludes(task);
  app.add_option("--reference", options.reference, "With --text: KL divergence to this model");
  app.add_option("--limit", options.limit, "Test items, or records of the text; 0: all")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--max-tokens", options.max_tokens,
                 "Task: of an answer (default 256); text: predicted (default all)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--prompt", options.prompt,
                 "full, instruction or bare; default: as the model was trained");
  app.add_flag("--free-form", options.free_form, "Do not force answers into the task's form");
  CLI::Option* draft = add_draft_options(app, options.draft, options.speculative)->needs(task);
  app.add_option("--draft-rounds", options.draft_rounds,
                 "Each answer, without and with the draft in turns; the fastest counts")
      ->check(CLI::Range(1, 100))
      ->needs(draft);
  app.add_option("--predictions", options.predictions, "Write each answer and score here (JSONL)");
  app.add_option("--context", options.context, "Text: tokens of a window")
      ->check(CLI::Range(2, 1 << 24));
  app.add_option("--records", options.records,
                 "Text: cut at this string ('line': each line), each piece its own window");
  app.add_option("--skip", options.skip, "With --records: leave out the first ones")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--second-half", options.second_half,
               "Text: score the second half of each window, as llama-perplexity");
  app.add_flag("--beyond-context", options.beyond_context,
               "Text: allow windows longer than the context that the file states");
  app.add_flag("--ids", options.ids, "Text: lines of token ids, each line a window");
  add_cache_option(app, options.cache, "Text: keys and values are kept as f32, f16 or q8_0");
}

// Answers made elsewhere: {"answer": text} for each item, in the order of the test set (what
// --predictions writes).
std::vector<Answer> read_answers(const std::string& path, std::size_t n) {
  std::vector<Answer> answers;
  for (const Row& row : read_jsonl(path)) {
    if (answers.size() == n) break;
    if (!row.value.contains("answer") || !row.value["answer"].is_string()) {
      fail(ErrorKind::usage, "{}:{}: the row has no text 'answer'", path, row.line);
    }
    answers.push_back({row.value["answer"].get<std::string>(), 0, 0, 0});
  }
  if (answers.size() < n) {
    fail(ErrorKind::usage, "{}: {} answers, the test set has {} items", path, answers.size(), n);
  }
  return answers;
}

// The answers, and what a draft gained on the way to them.
std::vector<Answer> answers_of(const EvalOptions& options, const Task& task,
                               std::span<const Example> examples, ThreadPool& pool,
                               DraftGain& gain) {
  if (!options.draft.empty() && (options.model.ends_with(".jsonl") || is_endpoint(options.model)))
    fail(ErrorKind::usage, "eval: --draft drafts for a local model, not for {}", options.model);
  if (options.model.ends_with(".jsonl")) return read_answers(options.model, examples.size());
  const std::int64_t max_tokens = options.max_tokens > 0 ? options.max_tokens : 256;
  Progress progress("eval " + task.name, examples.size(), "items");
  if (is_endpoint(options.model)) {
    OpenTeacher open(options.model, pool);
    LabelRequest request;
    request.max_tokens = max_tokens;
    request.constrained = !options.free_form;
    request.style = options.prompt.empty() ? open.style() : prompt_style(options.prompt);
    std::vector<Answer> answers;
    for (TeacherAnswer& answer : label(open.teacher(), task, examples, request, nullptr, nullptr,
                                       [&](std::size_t done) { progress.update(done); })) {
      answers.push_back(
          {std::move(answer.text), answer.prompt_tokens, answer.answer_tokens, answer.logprob});
    }
    return answers;
  }
  const Checkpoint checkpoint = Checkpoint::open(options.model);
  const Model model(checkpoint);
  AnswerOptions answer;
  answer.constrained = !options.free_form;
  answer.max_tokens = max_tokens;
  answer.style = options.prompt.empty() ? prompt_style_of(checkpoint.manifest())
                                        : prompt_style(options.prompt);
  const auto on_done = [&](std::size_t done) { progress.update(done); };
  if (options.draft.empty()) return answer_locally(model, pool, task, examples, answer, on_done);
  const Checkpoint small = Checkpoint::open(options.draft);
  const Model draft(small);
  gain = measure_draft(model, draft, pool, task, examples,
                       {.answers = answer,
                        .draft_style = prompt_style_of(small.manifest()),
                        .speculative = options.speculative,
                        .rounds = options.draft_rounds},
                       on_done);
  return gain.answers;
}

std::string draft_text(const DraftGain& gain) {
  const auto times = [](const Interval& i) {
    return fmt::format("{:.2f} ({:.2f}-{:.2f})", i.value, i.low, i.high);
  };
  const auto rate = [&](double seconds) {
    return fmt::format("{:.0f}", static_cast<double>(gain.tokens) / std::max(seconds, 1e-9));
  };
  const SpeculativeStats& stats = gain.stats;
  const double kept = static_cast<double>(stats.accepted) /
                      static_cast<double>(std::max<std::int64_t>(stats.drafted, 1));
  return text_table(
      {{"draft", "alone", "with it", "times as fast: median (lowest-highest)"},
       {"generation, tokens/s", rate(gain.alone_s - gain.prompts_s),
        rate(gain.drafted_s - gain.prompts_s), times(gain.generation)},
       {"answers with their prompts, tokens/s", rate(gain.alone_s), rate(gain.drafted_s),
        times(gain.whole)},
       {"passes of the model", "", fmt::format("{} for {} tokens", stats.passes, gain.tokens), ""},
       {"drafted tokens kept", "",
        fmt::format("{} of {} ({:.0f} %)", stats.accepted, stats.drafted, 100 * kept), ""},
       {"answers that differ", "", fmt::format("{}", gain.different), ""}});
}

void write_predictions(const std::string& path, const TaskResult& result,
                       std::span<const Example> examples, std::span<const Answer> answers) {
  std::vector<Json> rows;
  std::size_t item = 0;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (!examples[i].output) continue;
    const ItemScore& score = result.items[item++];
    rows.push_back({{"origin", examples[i].origin},
                    {"input", examples[i].input},
                    {"gold", score.gold},
                    {"predicted", score.predicted},
                    {"answer", answers[i].text},
                    {"valid", score.valid},
                    {"score", score.primary},
                    {"secondary", score.secondary}});
  }
  write_jsonl(path, rows);
}

std::string interval_text(const Interval& i) {
  return fmt::format("{:.4f}  [{:.4f}, {:.4f}]", i.value, i.low, i.high);
}

int eval_task(const EvalOptions& options, ThreadPool& pool, bool json) {
  const Task task = read_task(options.task);
  for (const auto& note : task.notes) say(note);
  std::span<const Example> examples = task.test;
  if (options.limit > 0) {
    examples = examples.first(std::min(examples.size(), static_cast<std::size_t>(options.limit)));
  }
  const auto start = std::chrono::steady_clock::now();
  DraftGain gain;
  const auto answers = answers_of(options, task, examples, pool, gain);
  TaskResult result = score_task(task, examples, answers);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!options.predictions.empty())
    write_predictions(options.predictions, result, examples, answers);
  if (json) {
    Json out = to_json(result);
    out["model"] = options.model;
    if (!options.draft.empty()) out["draft"] = to_json(gain);
    print_json(out);
    return 0;
  }
  std::vector<std::vector<std::string>> table{{"metric", "value [95 % interval]"}};
  for (const auto& [name, interval] : result.metrics)
    table.push_back({name, interval_text(interval)});
  print(fmt::format("{} ({}), n = {}, {:.1f} items/s\n{}", result.task, result.kind, result.n,
                    static_cast<double>(result.n) / std::max(result.seconds, 1e-9),
                    text_table(table)));
  if (!options.draft.empty()) print(draft_text(gain));
  return 0;
}

// Windows of ids for models that have no tokenizer.
std::vector<std::vector<TokenId>> read_id_windows(const std::string& path) {
  const std::string text = read_file(path, kMostTextBytes);
  std::vector<std::vector<TokenId>> windows(1);
  std::size_t line = 1;
  for (const char* at = text.data(); at != text.data() + text.size();) {
    if (*at == '\n') {
      if (!windows.back().empty()) windows.emplace_back();
      ++line;
      ++at;
    } else if (*at == ' ' || *at == '\t' || *at == '\r') {
      ++at;
    } else {
      TokenId id = 0;
      const auto [end, error] = std::from_chars(at, text.data() + text.size(), id);
      if (error != std::errc() || id < 0)
        fail(ErrorKind::usage, "{}:{}: not a token id", path, line);
      windows.back().push_back(id);
      at = end;
    }
  }
  if (windows.back().empty()) windows.pop_back();
  return windows;
}

TextResult text_result(const EvalOptions& options, ThreadPool& pool) {
  const Checkpoint checkpoint = Checkpoint::open(options.model);
  const Model model(checkpoint);
  std::unique_ptr<Checkpoint> other;
  std::unique_ptr<Model> reference;
  if (!options.reference.empty()) {
    other = std::make_unique<Checkpoint>(Checkpoint::open(options.reference));
    reference = std::make_unique<Model>(*other);
  }
  if (options.ids) {
    const auto windows = read_id_windows(options.text);
    return evaluate_windows(model, nullptr, pool, windows,
                            {1, options.beyond_context, options.cache}, reference.get());
  }
  TextOptions text;
  text.context = options.context;
  text.beyond_context = options.beyond_context;
  for (const Model* used : {&model, static_cast<const Model*>(reference.get())}) {
    if (used == nullptr || options.beyond_context) continue;
    text.context = std::min(text.context, used->architecture().context_length);
  }
  if (text.context < options.context) {
    say(fmt::format("windows of {} tokens: more does not fit the model's context", text.context));
  }
  text.score_all = !options.second_half;
  text.max_tokens = options.max_tokens;
  text.separator = options.records == "line" ? "\n" : options.records;
  text.skip_records = options.skip;
  text.max_records = options.limit;
  text.cache = options.cache;
  return evaluate_text(model, checkpoint.tokenizer(), pool, read_file(options.text, kMostTextBytes),
                       text, reference.get());
}

int eval_text(const EvalOptions& options, ThreadPool& pool, bool json) {
  if (is_endpoint(options.model)) {
    fail(ErrorKind::usage, "perplexity needs a local model; an endpoint can be scored on a task");
  }
  const TextResult result = text_result(options, pool);
  if (json) {
    Json out = to_json(result);
    out["model"] = options.model;
    print_json(out);
    return 0;
  }
  std::vector<std::vector<std::string>> table{{"measure", "value [95 % interval]"},
                                              {"perplexity", interval_text(result.perplexity)}};
  if (result.bytes > 0)
    table.push_back({"bits per byte", fmt::format("{:.4f}", result.bits_per_byte)});
  if (result.has_reference) {
    const Interval& kl = result.kl;  // of any size: by digits that count
    table.push_back(
        {"KL, mean (nats)", fmt::format("{:.3g}  [{:.3g}, {:.3g}]", kl.value, kl.low, kl.high)});
    table.push_back({"KL, median", fmt::format("{:.3g}", result.kl_median)});
    table.push_back({"KL, 99.9 %", fmt::format("{:.3g}", result.kl_p999)});
    table.push_back({"KL, largest", fmt::format("{:.3g}", result.kl_max)});
    table.push_back({"same top token", interval_text(result.same_top1)});
  }
  print(fmt::format("{} tokens\n{}", result.tokens, text_table(table)));
  return 0;
}

}  // namespace

int run_eval(int argc, char** argv) {
  EvalOptions options;
  Arguments arguments("eval", "Score a model on a task's test set, or on a text", kEvalExamples);
  add_options(arguments.app(), options);
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;
  if (options.task.empty() == options.text.empty()) {
    fail(ErrorKind::usage, "eval: give either --task or --text");
  }
  if (!options.reference.empty() && options.text.empty()) {
    fail(ErrorKind::usage, "eval: --reference belongs to --text");
  }
  ThreadPool pool(arguments.common().threads);
  return options.task.empty() ? eval_text(options, pool, arguments.common().json)
                              : eval_task(options, pool, arguments.common().json);
}

}  // namespace limbeck::cli
