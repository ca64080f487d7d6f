// What a student would look like and cost: shapes, sizes of a task in tokens, training arithmetic.
#pragma once

#include <optional>

#include "limbeck/model/architecture.h"
#include "limbeck/pipeline/advise.h"
#include "limbeck/pipeline/cut_start.h"
#include "limbeck/task/task.h"

namespace limbeck::pipeline {

inline constexpr double kAdvisedEpochs = 6;

// A Llama shape of about `parameters` parameters (within the steps of its widths) with the
// teacher's vocabulary and tied embeddings. Widths are multiples of 32, so that every block type
// fits.
Architecture student_shape(const Architecture& teacher, double parameters);

// Whether cut_student takes any shape inside this teacher's.
bool can_be_cut(const Architecture& teacher);

// The part of the teacher with about `parameters` parameters: all widths by the same share.
distill::CutShape cut_shape(const Architecture& teacher, double parameters);

// A student to be: its shape, with the vocabulary that it will have, and how it begins.
struct Student {
  Architecture shape;
  std::optional<StudentCut> cut;  // out of the teacher; else fresh
};

struct TaskSize {
  double prompt_tokens = 0, answer_tokens = 0;  // of a mean item, bare prompt, at 4 bytes a token
};
TaskSize task_size(const Task& task);

struct TrainingCost {
  double tokens = 0;  // seen by the student over all epochs, and between the rounds of a cut
  double flop = 0;    // teacher's labelling (2 per parameter and token) and student's training (6)
  double cpu_hours = 0;       // at the measured rate; 0 if it cannot train here
  double gpu_hours = 0;       // on the accelerator named
  double training_bytes = 0;  // of weights, gradients and moments: of the largest model trained
  double cutting_bytes = 0;   // of this machine: the whole teacher in float32; 0: no cut
};
// Of training on `items` of the task's training inputs.
TrainingCost training_cost(const Task& task, double items, const Architecture& teacher,
                           const Student& student, const MachineLimits& machine,
                           std::string_view gpu);

// Bytes of a GGUF file of this model beside its tensors: tokenizer, keys, tensor names, manifest.
// Exact but for the manifest's numbers where the vocabulary is known, else at 16 bytes a token.
// `quantized`: with the manifest of a quantization.
double file_overhead(const Architecture& architecture, const VocabularySize& vocabulary,
                     bool quantized);

}  // namespace limbeck::pipeline
