// What a student would look like and cost: shapes, sizes of a task in tokens, training arithmetic.
#pragma once

#include <filesystem>

#include "limbeck/model/architecture.h"
#include "limbeck/task/task.h"

namespace limbeck::pipeline {

inline constexpr double kAdvisedEpochs = 6;

// A Llama shape of about `parameters` parameters (within the steps of its widths) with the
// teacher's vocabulary and tied embeddings. Widths are multiples of 32, so that every block type
// fits.
Architecture student_shape(const Architecture& teacher, double parameters);

struct TaskSize {
  double prompt_tokens = 0, answer_tokens = 0;  // of a mean item, bare prompt, at 4 bytes a token
};
TaskSize task_size(const Task& task);

struct TrainingCost {
  double tokens = 0;  // seen by the student over all epochs
  double flop = 0;    // teacher's labelling (2 per parameter and token) and student's training (6)
  double cpu_hours = 0;  // at the measured rate; 0 if it cannot train here
  double gpu_hours = 0;  // on the first of accelerators()
};
TrainingCost training_cost(const Task& task, const Architecture& teacher,
                           const Architecture& student, double train_flops);

// Bytes of the tokenizer and other keys in a GGUF file of this model: exact where its tokenizer can
// be read, else an estimate of 16 bytes a token.
double tokenizer_bytes(const std::filesystem::path& model, const Architecture& architecture);

}  // namespace limbeck::pipeline
