#include "limbeck/pipeline/distill_task.h"

#include <algorithm>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/sha256.h"
#include "limbeck/evaluate/evaluate.h"
#include "limbeck/pipeline/train_rows.h"
#include "limbeck/pipeline/train_student.h"
#include "limbeck/teacher/answer_store.h"
#include "limbeck/text/bpe_trainer.h"
#include "limbeck/text/chat_prompt.h"

namespace limbeck::pipeline {
namespace {

// How well a model folder answers examples; higher is better.
double task_score(const std::filesystem::path& folder, const Task& task,
                  std::span<const Example> examples, PromptStyle style, ThreadPool& pool) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  const Model model(checkpoint);
  AnswerOptions options;
  options.style = style;
  const TaskResult result =
      score_task(task, examples, answer_locally(model, pool, task, examples, options));
  return result.metrics.at(result.primary).value;
}

Json to_json(const distill::TrainResult& result) {
  return {{"steps", result.steps},
          {"tokens", result.tokens},
          {"target_tokens", result.target_tokens},
          {"seconds", result.seconds},
          {"final_loss", result.final_loss},
          {"dev_metric", result.best_metric},
          {"best_step", result.best_step},
          {"peak_bytes", result.peak_bytes}};
}

distill::Start start_of(const ModelStart& start) {
  distill::Start from;
  from.model = start.model;
  if (start.shape) from.shape = *start.shape;
  return from;
}

std::int64_t context_of(const ModelStart& start) {
  return start.shape ? start.shape->context_length : read_architecture(start.model).context_length;
}

void warn_of_left_out(const RowSet& set, std::string_view what) {
  if (set.too_long > 0)
    say(fmt::format("{}: {} rows left out, longer than the context", what, set.too_long));
  if (set.invalid > 0)
    say(fmt::format("{}: {} answers left out, not of the task's form", what, set.invalid));
}

// The tokenizer of a fresh teacher: taken from a model, or trained on the task's own texts.
Tokenizer teacher_tokenizer(const TeacherTraining& training, const Task& task) {
  if (!training.start.model.empty()) return Tokenizer::open(training.start.model);
  if (!training.tokenizer.empty()) return Tokenizer::open(training.tokenizer);
  BpeTrainOptions options;
  options.vocab_size = training.vocab_size;
  options.chat_template = kDefaultChatTemplate;
  const auto texts = [&](const std::function<void(std::string_view)>& take) {
    for (const Example& example : task.train) {
      for (const Json& message : prompt_messages(task, example.input, training.style))
        take(message.at("content").get<std::string>());
      if (example.output) take(answer_text(task, *example.output));
    }
  };
  const TrainedTokenizer trained = train_bpe(texts, options);
  return Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json,
                              "the tokenizer trained here");
}

// The control arm: the same training without anything of the teacher but its answers.
distill::TrainOptions on_texts_alone(distill::TrainOptions options) {
  const distill::TrainOptions plain;
  options.on_policy = plain.on_policy;
  options.hidden = plain.hidden;
  options.attention = plain.attention;
  options.loss = plain.loss;
  return options;
}

}  // namespace

std::string task_hash(const Task& task) {
  Sha256 hash;
  const auto add = [&](const Json& json) { hash.add(to_text(json)).add("\n"); };
  add({task.name, name(task.kind), task.instruction, task.labels, task.schema, task.tools});
  for (const auto* examples : {&task.train, &task.test}) {
    for (const Example& example : *examples) {
      add(example.input);
      add(example.output.value_or(nullptr));
    }
    hash.add("----\n");
  }
  return hash.hex();
}

double gate_threshold(TaskKind kind, double asked) {
  if (asked >= 0) return asked;
  return kind == TaskKind::tool_calling ? 0.70 : 0.80;
}

Json gate(const std::string& teacher, const Task& task, std::optional<PromptStyle> style,
          double threshold, ThreadPool& pool) {
  const Checkpoint checkpoint = Checkpoint::open(teacher);
  const Model model(checkpoint);
  AnswerOptions options;
  options.style = style.value_or(prompt_style_of(checkpoint.manifest()));
  Progress progress("gate", task.test.size(), "items");
  const auto answers = answer_locally(model, pool, task, task.test, options,
                                      [&](std::size_t done) { progress.update(done); });
  progress.finish();
  const TaskResult result = score_task(task, task.test, answers);
  const Interval score = result.metrics.at(result.primary);
  say(fmt::format("gate: teacher's {} {:.1f} % ({:.1f}-{:.1f}, n = {}), needed {:.1f} %",
                  result.primary, 100 * score.value, 100 * score.low, 100 * score.high, result.n,
                  100 * threshold));
  if (score.value < threshold) {
    fail_try(
        ErrorKind::quality,
        "use a better teacher, fine-tune this one on the task, or lower 'gate:' knowingly",
        "the teacher reaches {:.1f} % {} on the {} test items of {}, the gate asks for {:.1f} %",
        100 * score.value, result.primary, result.n, task.name, 100 * threshold);
  }
  return {{"metric", result.primary}, {"value", score.value}, {"low", score.low},
          {"high", score.high},       {"n", result.n},        {"threshold", threshold}};
}

Json train_teacher(const TeacherTraining& training, const Task& task, double dev_fraction,
                   const std::filesystem::path& work, const std::filesystem::path& output,
                   ThreadPool& pool) {
  const Split split = split_dev(task.train, dev_fraction, training.train.seed);
  const Tokenizer tokenizer = teacher_tokenizer(training, task);
  const RowSet set =
      gold_rows(tokenizer, task, split.train, training.style, context_of(training.start));
  warn_of_left_out(set, "teacher");
  if (set.rows.empty())
    fail_try(ErrorKind::usage, "give outputs in train.jsonl, or a teacher that is trained already",
             "{}: no training example has an output to train the teacher on", task.folder.string());
  distill::TrainOptions options = training.train;
  std::filesystem::create_directories(work);
  options.checkpoint_folder = work;
  options.metrics_file = work / "metrics.jsonl";
  options.threads = pool.size();
  const Json manifest = {{"prompt", name(training.style)},
                         {"task", task.name},
                         {"training", {{"method", "fine-tuning on gold outputs"}}}};
  const auto dev = [&](const std::filesystem::path& folder) {
    return task_score(folder, task, split.dev, training.style, pool);
  };
  return to_json(distill::train(start_of(training.start), tokenizer, set.rows, options, dev, output,
                                manifest));
}

Labelled label_task(const std::string& teacher, const Task& task, std::optional<PromptStyle> style,
                    const LabelRequest& request, std::int64_t limit, double dev_fraction,
                    const std::filesystem::path& store, ThreadPool& pool) {
  std::vector<Example> examples = task.train;
  if (limit > 0 && static_cast<std::int64_t>(examples.size()) > limit)
    examples.resize(static_cast<std::size_t>(limit));
  const Split split = split_dev(examples, dev_fraction, request.seed);
  const Checkpoint checkpoint = Checkpoint::open(teacher);
  const Model model(checkpoint);
  const auto answering = local_teacher(model, pool);
  AnswerStore answers(store);
  const auto ask = [&](const char* what, const std::vector<Example>& items, LabelRequest asked,
                       LabelReport& report) {
    asked.style = style.value_or(prompt_style_of(checkpoint.manifest()));
    Progress progress(what, items.size(), "items");
    return label(*answering, task, items, asked, &answers, &report,
                 [&](std::size_t done) { progress.update(done); });
  };
  Labelled labelled;
  labelled.train = split.train;
  LabelRequest text_only = request;
  text_only.signal = Signal::text;
  LabelReport train_report, dev_report;
  labelled.answers = ask("label", split.train, request, train_report);
  const std::vector<TeacherAnswer> dev = ask("label dev", split.dev, text_only, dev_report);
  for (std::size_t i = 0; i < split.dev.size(); ++i) {
    const ParsedAnswer parsed = parse_answer(task, dev[i].text);
    if (!parsed.valid) continue;
    labelled.dev.push_back(split.dev[i]);
    labelled.dev.back().output = parsed.value;
  }
  labelled.summary = {{"train", split.train.size()},
                      {"dev", labelled.dev.size()},
                      {"labelled", limbeck::to_json(train_report)},
                      {"labelled_dev", limbeck::to_json(dev_report)}};
  return labelled;
}

Json train_student(const StudentTraining& training, const std::string& teacher, const Task& task,
                   const Labelled& labelled, const std::filesystem::path& work,
                   const std::filesystem::path& output, ThreadPool& pool) {
  const bool fresh = training.start.shape.has_value();
  const Tokenizer teachers = Tokenizer::open(teacher);
  const Tokenizer tokenizer =
      Tokenizer::open(fresh ? std::filesystem::path(teacher) : training.start.model);
  const bool same_vocabulary = tokenizer.hash() == teachers.hash();
  if (!same_vocabulary && training.options.loss != distill::Loss::uld)
    say("distill: the student's vocabulary differs from the teacher's, so it learns from the "
        "teacher's texts alone (loss: uld would compare distributions across them)");
  RowSet set = answer_rows(tokenizer, task, labelled.train, labelled.answers, PromptStyle::bare,
                           context_of(training.start), same_vocabulary && training.soft_labels);
  warn_of_left_out(set, "distill");
  if (set.rows.empty())
    fail(ErrorKind::usage, "{}: no answer of the teacher is left to train the student on",
         task.folder.string());
  say(fmt::format("distill: {} rows, {} with soft labels", set.rows.size(), set.soft));
  distill::TrainOptions options = training.options;
  std::filesystem::create_directories(work);
  options.checkpoint_folder = work;
  options.metrics_file = work / "metrics.jsonl";
  options.threads = pool.size();
  const Json manifest = {
      {"prompt", "bare"},
      {"task", task.name},
      {"teacher", {{"sha256", training.teacher_hash}}},
      {"training",
       {{"method", training.soft_labels ? "distillation: cross-entropy and soft labels"
                                        : "training on the teacher's texts"},
        {"rows", set.rows.size()},
        {"soft_rows", set.soft}}}};
  const auto dev = [&](const std::filesystem::path& folder) {
    return task_score(folder, task, labelled.dev, PromptStyle::bare, pool);
  };
  const auto start = start_of(training.start);
  if (!training.soft_labels) options = on_texts_alone(options);
  Json result = to_json(train_by_options({start, teacher, tokenizer, task, labelled.train,
                                          labelled.answers, set, options, dev, output},
                                         manifest, pool));
  result["rows"] = set.rows.size();
  result["soft_rows"] = set.soft;
  return result;
}

}  // namespace limbeck::pipeline
