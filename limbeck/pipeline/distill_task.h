// Distilling one task: the steps that `run` and `distill` share.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/base/thread_pool.h"
#include "limbeck/pipeline/recipe.h"
#include "limbeck/task/task.h"
#include "limbeck/teacher/label.h"

namespace limbeck::pipeline {

// A hash of all that a task is: definition and examples, wherever their files are.
std::string task_hash(const Task& task);

// The score a teacher must reach on the test set: `asked` if not negative, else .70 for tool
// calling and .80 otherwise.
double gate_threshold(TaskKind kind, double asked);

// Evaluates the teacher on the test set. {"metric", "value", "low", "high", "n", "threshold"}; an
// endpoint's answers are kept in `store`. Throws Error{quality} below the threshold; of 0 or less
// it asks nothing, and returns {"threshold"}.
Json gate(const TeacherChoice& teacher, const Task& task, std::optional<PromptStyle> style,
          double threshold, const std::filesystem::path& store, ThreadPool& pool);

// Trains a model on the gold outputs of the task's training set: how a local teacher is made.
Json train_teacher(const TeacherTraining& training, const Task& task, double dev_fraction,
                   const std::filesystem::path& work, const std::filesystem::path& output,
                   ThreadPool& pool);

struct Labelled {
  std::vector<Example> train, dev;     // inputs as given; dev outputs are the teacher's answers
  std::vector<TeacherAnswer> answers;  // one for each of train
  Json summary;                        // items, tokens, seconds, bytes of the store
};

struct LabelTask {
  LabelRequest request;
  std::optional<PromptStyle> style;  // absent: the teacher's own
  std::int64_t limit = 0;            // training inputs; 0: all
  double dev_fraction = 0.1;
  std::filesystem::path store;
  bool gate = true;  // for the estimate: is the teacher asked the test set first?
};

// The teacher's answers to the training inputs, from the store where they are there already.
Labelled label_task(const TeacherChoice& teacher, const Task& task, const LabelTask& what,
                    ThreadPool& pool);

// What gate and labelling will ask of the teacher: {"gate", "label", "label_dev"} (label.h). Asks
// nothing. A teacher that is yet to be trained is estimated without its vocabulary.
Json estimate_task(const TeacherChoice& teacher, const Task& task, const LabelTask& what,
                   ThreadPool& pool);

struct StudentTraining {
  ModelStart start;
  distill::TrainOptions options;
  bool soft_labels = true;
  std::string teacher_hash;          // for the manifest
  std::filesystem::path vocabulary;  // endpoints: the model in whose tokens they answered
};

// Trains the student on the teacher's answers alone, after cutting it out of the teacher or its
// vocabulary down where that is asked for, and writes it to `output`; selected by
// agreement with the teacher on the dev split. Returns {"steps", "tokens", "seconds",
// "dev_agreement", ...}.
Json train_student(const StudentTraining& training, const std::string& teacher, const Task& task,
                   const Labelled& labelled, const std::filesystem::path& work,
                   const std::filesystem::path& output, ThreadPool& pool);

}  // namespace limbeck::pipeline
