// Accuracy against bits: a model quantized on the fly into several sizes, kept in the cache.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "limbeck/pipeline/compare.h"
#include "limbeck/task/task.h"

namespace limbeck::pipeline {

// Throws Error{usage} on an entry of `bits` that is no size and no type.
void check_bits(std::span<const std::string> bits);

// The models, each of 16 bits or more followed by its forms in `bits`, made where they are not in
// `cache` yet. `task` calibrates; nullptr: nothing does. Throws as quantize_model.
std::vector<ComparedModel> with_bits(const CompareOptions& options, const Task* task,
                                     ThreadPool& pool);

}  // namespace limbeck::pipeline
