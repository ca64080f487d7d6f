// Which way of training a student's options ask for, and what that way needs of the teacher.
#pragma once

#include <filesystem>
#include <string>

#include "limbeck/base/thread_pool.h"
#include "limbeck/pipeline/train_rows.h"

namespace limbeck::pipeline {

struct StudentRun {
  const distill::Start& start;
  const std::string& teacher;
  const Tokenizer& tokenizer;  // the student's
  const Task& task;
  std::span<const Example> examples;       // and the teacher's answers to them, of which
  std::span<const TeacherAnswer> answers;  // the rows were made
  RowSet& set;
  const distill::TrainOptions& options;
  const distill::DevMetric& dev;
  const std::filesystem::path& output;
};

// Does the run need a teacher that is at hand, beyond its answers: on_policy, loss uld, hidden,
// attention? Such a teacher must be a local model.
bool needs_teacher(const distill::TrainOptions& options);

// Throws Error{usage} where the task or the teacher does not allow what the options ask for, saying
// why; otherwise as distill::train.
distill::TrainResult train_by_options(const StudentRun& run, const Json& manifest,
                                      ThreadPool& pool);

// Answers by our runtime: sampled, batched, the same for the same seed on any number of threads.
distill::Rollout rollout_by_runtime(ThreadPool& pool);

}  // namespace limbeck::pipeline
