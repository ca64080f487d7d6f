// What a teacher is asked for a task: its gate and its labels.
#include <algorithm>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/evaluate/evaluate.h"
#include "limbeck/pipeline/distill_task.h"
#include "limbeck/teacher/answer_store.h"

namespace limbeck::pipeline {
namespace {

LabelRequest gate_request() { return {}; }  // greedy texts

Split split_of(const Task& task, const LabelTask& what) {
  std::vector<Example> examples = task.train;
  if (what.limit > 0 && static_cast<std::int64_t>(examples.size()) > what.limit)
    examples.resize(static_cast<std::size_t>(what.limit));
  return split_dev(examples, what.dev_fraction, what.request.seed);
}

// The dev split decides by its texts alone.
LabelRequest text_only(LabelRequest request) {
  request.signal = Signal::text;
  return request;
}

}  // namespace

double gate_threshold(TaskKind kind, double asked) {
  if (asked >= 0) return asked;
  return kind == TaskKind::tool_calling ? 0.70 : 0.80;
}

Json gate(const TeacherChoice& teacher, const Task& task, std::optional<PromptStyle> style,
          double threshold, const std::filesystem::path& store, ThreadPool& pool) {
  if (threshold <= 0) return {{"threshold", threshold}};  // whatever it scores
  OpenTeacher open(teacher, pool);
  LabelJob job;
  job.title = "gate";
  job.style = style;
  if (open.endpoint()) job.store = store;  // paid for once
  std::vector<Answer> answers;
  for (TeacherAnswer& a : label_examples(open, task, task.test, gate_request(), job).answers)
    answers.push_back({std::move(a.text), a.prompt_tokens, a.answer_tokens, a.logprob});
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

Labelled label_task(const TeacherChoice& teacher, const Task& task, const LabelTask& what,
                    ThreadPool& pool) {
  const Split split = split_of(task, what);
  OpenTeacher open(teacher, pool);
  LabelJob job;
  job.style = what.style;
  job.store = what.store;
  LabelOutcome train = label_examples(open, task, split.train, what.request, job);
  job.title = "label dev";
  job.smoke = false;  // the training inputs were one
  const LabelOutcome dev = label_examples(open, task, split.dev, text_only(what.request), job);
  Labelled labelled;
  labelled.train = split.train;
  labelled.answers = std::move(train.answers);
  for (std::size_t i = 0; i < split.dev.size(); ++i) {
    const ParsedAnswer parsed = parse_answer(task, dev.answers[i].text);
    if (!parsed.valid) continue;
    labelled.dev.push_back(split.dev[i]);
    labelled.dev.back().output = parsed.value;
  }
  labelled.summary = {{"train", split.train.size()},
                      {"dev", labelled.dev.size()},
                      {"labelled", train.summary},
                      {"labelled_dev", dev.summary}};
  return labelled;
}

Json estimate_task(const TeacherChoice& teacher, const Task& task, const LabelTask& what,
                   ThreadPool& pool) {
  const Split split = split_of(task, what);
  std::optional<OpenTeacher> open;
  if (is_endpoint(teacher.model) || std::filesystem::exists(teacher.model))
    open.emplace(teacher, pool);
  std::optional<AnswerStore> store;
  if (open && std::filesystem::exists(what.store)) store.emplace(what.store);
  const auto estimate = [&](std::span<const Example> examples, LabelRequest request) {
    request.style = what.style.value_or(open ? open->style() : PromptStyle::bare);
    return to_json(estimate_labels(open ? open->teacher().identity() : "",
                                   open ? open->tokenizer() : nullptr, teacher.budget, task,
                                   examples, request, store ? &*store : nullptr));
  };
  return {{"gate", estimate(what.gate ? task.test : std::vector<Example>(), gate_request())},
          {"label", estimate(split.train, what.request)},
          {"label_dev", estimate(split.dev, text_only(what.request))}};
}

}  // namespace limbeck::pipeline
