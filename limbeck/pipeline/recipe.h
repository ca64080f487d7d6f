// A recipe: which teacher, task and student, and what to do with them. YAML; every key has a
// default but task and teacher. Without a student the teacher is quantized and compared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/distill/train_options.h"
#include "limbeck/pipeline/cross_fit.h"
#include "limbeck/pipeline/model_start.h"
#include "limbeck/pipeline/quantized_form.h"
#include "limbeck/task/task.h"
#include "limbeck/teacher/label.h"

namespace limbeck::pipeline {

// A teacher made on the way, trained on the gold outputs of the task's training set.
struct TeacherTraining {
  ModelStart start;
  std::filesystem::path
      tokenizer;          // a model whose tokenizer a fresh shape takes; empty: trained on the task
  int vocab_size = 4096;  // of a tokenizer trained here
  PromptStyle style = PromptStyle::bare;
  CrossFit cross_fit;  // leaves out rows that models without them contradict
  distill::TrainOptions train;
};

struct QuantizeStep {
  QuantizedForm form;
  std::string method;  // empty: gptq below eight bits where the task can calibrate
  bool of_teacher = false;
  std::string name = {};  // of the file, after the model's: "q4_0", "q4_0-gptq"
};

struct Recipe {
  std::string name;
  std::filesystem::path task;
  std::uint64_t seed = 1;
  std::vector<std::uint64_t> seeds;  // a student of each; the first is shown. Without: seed

  std::string teacher;    // MODEL, or an endpoint URL; empty: teacher_training
  EndpointBudget budget;  // of an endpoint
  std::optional<TeacherTraining> teacher_training;
  std::optional<PromptStyle> teacher_style;  // absent: as the model's manifest says
  double gate = -1;                          // least score of the teacher; -1: .80, tools .70

  LabelRequest label;
  std::int64_t label_limit = 0;  // training inputs to label; 0: all
  double dev_fraction = 0.1;

  std::optional<ModelStart> student;  // without one nothing is labelled or trained
  distill::TrainOptions distill;
  bool control = false;  // also train the same student without soft labels

  std::vector<QuantizeStep> quantize;
  std::vector<std::filesystem::path> other_tasks, texts;
  std::vector<std::string> compare_bits;  // further forms of teacher and student (bits_curve.h)
  std::int64_t compare_limit = 0;         // test items; 0: all
  double compare_speed_s = 2;             // spent on each of a model's two rates; 0: no speeds

  Json resolved;  // every value used, for the record and for stage keys
};

// Throws Error{usage} naming file, field and the nearest known key. Relative paths are relative to
// the recipe's folder;
// ${NAME} is the environment's value.
Recipe read_recipe(const std::filesystem::path& path);

// The model whose tokens the student reads, where the recipe names one; empty otherwise.
std::filesystem::path vocabulary_of(const Recipe& recipe);

// Every value that `recipe` uses: what `resolved` holds.
Json to_json(const Recipe& recipe);

}  // namespace limbeck::pipeline
