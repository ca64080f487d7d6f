// A recipe: which teacher, task and student, and what to do with them. YAML; every key has a
// default but task, teacher and student.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "limbeck/base/fields.h"
#include "limbeck/base/json.h"
#include "limbeck/distill/prune.h"
#include "limbeck/distill/train_options.h"
#include "limbeck/task/task.h"
#include "limbeck/teacher/label.h"

namespace limbeck::pipeline {

// A student that is cut out of its teacher.
struct StudentCut {
  distill::CutShape shape;
  int rounds = 0;  // with training between; 0: one for each halving of the parameters
};

// How a model to be trained begins: an existing one, or a fresh shape.
struct ModelStart {
  std::filesystem::path model;  // folder or GGUF; empty: `shape`
  std::optional<Architecture> shape;
  // Of a fresh student: a model whose tokenizer it takes. Empty: the teacher's, or of an endpoint's
  // student one of `vocab_size` trained on the task.
  std::filesystem::path tokenizer;
  int vocab_size = 4096;
  std::optional<StudentCut> cut;  // students: instead of model and shape
  // Students that do not begin fresh: only the tokens of the task, and bytes.
  bool task_vocabulary = false;
};

// A teacher made on the way, trained on the gold outputs of the task's training set.
struct TeacherTraining {
  ModelStart start;
  std::filesystem::path
      tokenizer;          // a model whose tokenizer a fresh shape takes; empty: trained on the task
  int vocab_size = 4096;  // of a tokenizer trained here
  PromptStyle style = PromptStyle::bare;
  distill::TrainOptions train;
};

struct QuantizeStep {
  std::string type = "q4_0";
  std::string method = "rtn";
  bool of_teacher = false;
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

  ModelStart student;
  distill::TrainOptions distill;
  bool control = false;  // also train the same student without soft labels

  std::vector<QuantizeStep> quantize;
  std::vector<std::filesystem::path> other_tasks, texts;
  std::int64_t compare_limit = 0;  // test items; 0: all
  double compare_speed_s = 2;      // spent on each of a model's two rates; 0: no speeds

  Json resolved;  // every value used, for the record and for stage keys
};

// Throws Error{usage} naming file, field and the nearest known key. Relative paths are relative to
// the recipe's folder;
// ${NAME} is the environment's value.
Recipe read_recipe(const std::filesystem::path& path);

// The model whose tokens the student reads, where the recipe names one; empty otherwise.
std::filesystem::path vocabulary_of(const Recipe& recipe);

// {"hidden": 64, "layers": 3, "heads": 4, ...} -> a Llama shape. Missing kv_heads = heads, head_dim
// = hidden / heads, ffn = 8/3 hidden rounded up to 32. Throws Error{usage}.
Architecture read_shape(const Json& json, const std::string& where);

}  // namespace limbeck::pipeline
