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
#include "limbeck/teacher/teacher.h"

namespace limbeck::pipeline {

// A hash of all that a task is: definition and examples, wherever their files are.
std::string task_hash(const Task& task);

// The score a teacher must reach on the test set: `asked` if not negative, else .70 for tool
// calling and .80 otherwise.
double gate_threshold(TaskKind kind, double asked);

// Evaluates the teacher on the test set. {"metric", "value", "low", "high", "n", "threshold"}.
// Throws Error{quality} below the threshold.
Json gate(const std::string& teacher, const Task& task, std::optional<PromptStyle> style,
          double threshold, ThreadPool& pool);

// Trains a model on the gold outputs of the task's training set: how a local teacher is made.
Json train_teacher(const TeacherTraining& training, const Task& task, double dev_fraction,
                   const std::filesystem::path& work, const std::filesystem::path& output,
                   ThreadPool& pool);

struct Labelled {
  std::vector<Example> train, dev;     // inputs as given; dev outputs are the teacher's answers
  std::vector<TeacherAnswer> answers;  // one for each of train
  Json summary;                        // items, tokens, seconds, bytes of the store
};

// The teacher's answers to the training inputs, from the store where they are there already.
Labelled label_task(const std::string& teacher, const Task& task, std::optional<PromptStyle> style,
                    const LabelRequest& request, std::int64_t limit, double dev_fraction,
                    const std::filesystem::path& store, ThreadPool& pool);

struct StudentTraining {
  ModelStart start;
  distill::TrainOptions options;
  bool soft_labels = true;
  std::string teacher_hash;  // for the manifest
};

// Trains the student on the teacher's answers alone and writes it to `output`; selected by
// agreement with the teacher on the dev split. Returns {"steps", "tokens", "seconds",
// "dev_agreement", ...}.
Json train_student(const StudentTraining& training, const std::string& teacher, const Task& task,
                   const Labelled& labelled, const std::filesystem::path& work,
                   const std::filesystem::path& output, ThreadPool& pool);

}  // namespace limbeck::pipeline
