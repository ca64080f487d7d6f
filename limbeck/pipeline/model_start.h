// How a model to be trained begins: an existing one, a fresh shape, or a cut of its teacher.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "limbeck/base/fields.h"
#include "limbeck/base/json.h"
#include "limbeck/distill/prune.h"
#include "limbeck/model/architecture.h"

namespace limbeck::pipeline {

// A student that is cut out of its teacher.
struct StudentCut {
  distill::CutShape shape;
  int rounds = 0;  // with training between; 0: one for each halving of the parameters
};

// One of `model`, `shape` and `cut`.
struct ModelStart {
  std::filesystem::path model;  // folder or GGUF
  std::optional<Architecture> shape;
  // Of a fresh student: a model whose tokenizer it takes. Empty: the teacher's, or of an endpoint's
  // student one of `vocab_size` trained on the task.
  std::filesystem::path tokenizer;
  int vocab_size = 4096;
  std::optional<StudentCut> cut;  // students only
  bool task_vocabulary = false;   // students: only the tokens of the task, and bytes

  Json to_json() const;  // every value used
};

// A path that a recipe in `folder` names: ${NAME} is the environment's value, relative paths begin
// at the folder. Throws Error{usage} at `where`.
std::filesystem::path resolve_path(const std::string& text, const std::filesystem::path& folder,
                                   const std::string& where);

// {model}, {shape} or, of a student, {from: teacher, layers, ..}. Throws Error{usage}.
ModelStart read_start(const Json& json, const std::filesystem::path& folder,
                      const std::string& where, bool student);

// {"hidden": 64, "layers": 3, "heads": 4, ...} -> a Llama shape. Missing kv_heads = heads, head_dim
// = hidden / heads, ffn = 8/3 hidden rounded up to 32. Throws Error{usage}.
Architecture read_shape(const Json& json, const std::string& where);

}  // namespace limbeck::pipeline
