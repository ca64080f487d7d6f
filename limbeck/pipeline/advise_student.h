// What a student would look like and cost: shapes, sizes of a task in tokens, training arithmetic.
#pragma once

#include <filesystem>

#include "limbeck/model/architecture.h"
#include "limbeck/pipeline/advise.h"
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
  double gpu_hours = 0;  // on the accelerator named
};
// Of training on `items` of the task's training inputs.
TrainingCost training_cost(const Task& task, double items, const Architecture& teacher,
                           const Architecture& student, const MachineLimits& machine,
                           std::string_view gpu);

// Bytes of a GGUF file of this model beside its tensors: tokenizer, keys, tensor names, manifest.
// Exact but for the manifest's numbers where the tokenizer can be read, else at 16 bytes a token.
// `quantized`: with the manifest of a quantization.
double file_overhead(const std::filesystem::path& model, const Architecture& architecture,
                     bool quantized);

}  // namespace limbeck::pipeline
