// From examples and answers to training rows: the prompt as the model will see it, the answer, and
// the token that ends it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "limbeck/distill/trainer.h"
#include "limbeck/task/task.h"
#include "limbeck/teacher/teacher.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck::pipeline {

struct RowSet {
  std::vector<distill::TrainRow> rows;
  std::int64_t too_long = 0, invalid = 0;  // left out: over the context, not of the task's form
  std::int64_t soft = 0;                   // rows with soft labels
  std::vector<std::size_t> example;        // of each row: which of the examples it was made of
};

// Gold outputs. Examples without one are passed over.
RowSet gold_rows(const Tokenizer& tokenizer, const Task& task, std::span<const Example> examples,
                 PromptStyle style, std::int64_t context);

// A teacher's answers; answers that are not of the task's form are left out. Soft labels go along
// where `same_vocabulary` and the answer's tokens are the ones the student would be trained on.
RowSet answer_rows(const Tokenizer& tokenizer, const Task& task, std::span<const Example> examples,
                   std::span<const TeacherAnswer> answers, PromptStyle style, std::int64_t context,
                   bool same_vocabulary);

}  // namespace limbeck::pipeline
