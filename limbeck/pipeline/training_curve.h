// The course of a model's training, from the metrics.jsonl that the trainer left.
#pragma once

#include <filesystem>

#include "limbeck/base/json.h"

namespace limbeck::pipeline {

// [{"tokens", "loss", "soft"?}], at most 200 points, each the mean of the steps it stands for;
// empty if no file is found where `run`, `distill` and `train` leave it for this model, or if it
// cannot be read.
Json training_curve_of(const std::filesystem::path& model);

}  // namespace limbeck::pipeline
