#include "limbeck/pipeline/distill_task.h"

#include <algorithm>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/sha256.h"
#include "limbeck/model/trim_vocabulary.h"
#include "limbeck/pipeline/cut_start.h"
#include "limbeck/pipeline/task_tokens.h"
#include "limbeck/pipeline/train_rows.h"
#include "limbeck/pipeline/train_student.h"
#include "limbeck/pipeline/training_steps.h"

namespace limbeck::pipeline {
namespace {

void take_texts(const Task& task, const Labelled& labelled,
                const std::function<void(std::string_view)>& take) {
  for (std::size_t i = 0; i < labelled.train.size(); ++i) {
    for (const Json& message : prompt_messages(task, labelled.train[i].input, PromptStyle::bare))
      take(message.at("content").get_ref<const std::string&>());
    take(labelled.answers[i].text);
  }
}

// The tokenizer that the student will read with.
Tokenizer student_tokenizer(const ModelStart& start, const std::string& teacher, const Task& task,
                            const Labelled& labelled) {
  if (start.cut) return Tokenizer::open(teacher);
  if (!start.shape) return Tokenizer::open(start.model);
  if (!start.tokenizer.empty()) return Tokenizer::open(start.tokenizer);
  if (!is_endpoint(teacher)) return Tokenizer::open(teacher);
  return task_tokenizer(start.vocab_size,
                        [&](const auto& take) { take_texts(task, labelled, take); });
}

// Are the ids of the teacher's answers those of this tokenizer?
bool same_vocabulary(const StudentTraining& training, const std::string& teacher,
                     const Tokenizer& tokenizer) {
  const auto whose = is_endpoint(teacher) ? training.vocabulary : std::filesystem::path(teacher);
  return !whose.empty() && Tokenizer::open(whose).hash() == tokenizer.hash();
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

Json train_student(const StudentTraining& training, const std::string& teacher, const Task& task,
                   const Labelled& labelled, const std::filesystem::path& work,
                   const std::filesystem::path& output, ThreadPool& pool) {
  std::optional<Tokenizer> tokenizer = student_tokenizer(training.start, teacher, task, labelled);
  const bool same = same_vocabulary(training, teacher, *tokenizer);
  if (!same && training.options.loss != distill::Loss::uld && training.soft_labels)
    say("distill: the student learns from the teacher's texts alone: " +
        std::string(is_endpoint(teacher)
                        ? "no probabilities in its vocabulary were asked for"
                        : "its vocabulary differs (loss: uld would compare distributions)"));
  std::vector<TeacherAnswer> answers = labelled.answers;
  const auto make_rows = [&] {
    return answer_rows(*tokenizer, task, labelled.train, answers, PromptStyle::bare,
                       context_of(training.start, teacher), same && training.soft_labels);
  };
  RowSet set = make_rows();
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
  if (!training.soft_labels) options = on_texts_alone(options);

  distill::Start start = start_of(training.start);
  Json made = Json::object();    // how the start was made: for the manifest
  Json before = Json::object();  // and the training that this took
  if (training.start.cut) {
    const CutTeacher cut = cut_from_teacher(teacher, *training.start.cut, set.rows, options, work);
    start.model = cut.model;
    made["cut"] = cut.rounds;
    before = {{"tokens", cut.tokens}, {"seconds", cut.seconds}};
  }
  if (training.start.task_vocabulary) {
    std::vector<TokenId> seen;
    for (const distill::TrainRow& row : set.rows)
      seen.insert(seen.end(), row.tokens.begin(), row.tokens.end());
    const auto used = task_tokens(std::move(seen), *tokenizer, task);
    std::vector<TokenId> kept;
    if (training.start.shape) {
      const auto whole = tokenizer->vocab_size();
      TrimmedTokenizer trimmed = trim_tokenizer(*tokenizer, used);
      tokenizer = std::move(trimmed.tokenizer);
      kept = std::move(trimmed.kept);
      made["vocabulary"] = {{"tokens", kept.size()}, {"of", whole}};
    } else {
      kept = trim_vocabulary(start.model, used, work / "trimmed");
      start.model = work / "trimmed";
      made["vocabulary"] = Checkpoint::open(start.model).manifest().at("vocabulary");
      tokenizer = Tokenizer::open(start.model);
    }
    renumber_answers(answers, kept);
    set = make_rows();
  }
  Json manifest = {{"prompt", "bare"},
                   {"task", task.name},
                   {"teacher", {{"sha256", training.teacher_hash}}},
                   {"training",
                    {{"method", training.soft_labels ? "distillation: cross-entropy and soft labels"
                                                     : "training on the teacher's texts"},
                     {"rows", set.rows.size()},
                     {"soft_rows", set.soft}}}};
  if (!before.empty()) manifest["training"]["before"] = before;
  manifest.update(made);
  const auto dev = [&](const std::filesystem::path& folder) {
    return task_score(folder, task, labelled.dev, PromptStyle::bare, pool);
  };
  Json result = to_json(train_by_options(
      {start, teacher, *tokenizer, task, labelled.train, answers, set, options, dev, output},
      manifest, pool));
  if (!before.empty()) result["before"] = before;
  result["rows"] = set.rows.size();
  result["soft_rows"] = set.soft;
  result.update(made);
  return result;
}

}  // namespace limbeck::pipeline
