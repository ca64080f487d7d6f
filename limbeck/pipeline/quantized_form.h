// A smaller form of a model: its size in words, and how it is rounded for a task.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "limbeck/base/thread_pool.h"
#include "limbeck/model/checkpoint.h"
#include "limbeck/quantize/quantize.h"
#include "limbeck/task/task.h"

namespace limbeck::pipeline {

// One of the three is set.
struct QuantizedForm {
  std::string type = {};  // a tensor type or a named mix
  double bits_per_weight = 0;
  std::uint64_t size = 0;     // bytes of the file
  std::string label() const;  // "q4_k_m", "3.5bpw", "300MB"
};

// What calibrates a model for a task: its training inputs as the model is asked them, with their
// answers where they are known, in one text. Empty without training inputs.
std::string calibration_text(const Task& task, PromptStyle style);

// The method that `asked` names ("": by the form) for a model that a calibration text, or none, is
// there for: error feedback below eight bits. Throws Error{usage} on a method that needs a text.
QuantizeMethod method_for(const QuantizedForm& form, const std::string& asked, bool calibrates);

// Writes the form to `output`. A text too short for a method that nobody asked for is no error:
// the form is then rounded without it, and the user told. Throws as quantize_model.
QuantizeResult quantize_form(const Checkpoint& checkpoint, const QuantizedForm& form,
                             const std::string& asked_method, const std::string& calibration,
                             const std::filesystem::path& output, ThreadPool& pool);

}  // namespace limbeck::pipeline
