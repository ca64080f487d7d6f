// `limbeck run`: gate the teacher, label, distil, quantize, compare, report. Each stage is recorded
// in the run's folder and never redone; a killed run resumes where it was.
#pragma once

#include <filesystem>

#include "limbeck/base/json.h"
#include "limbeck/base/thread_pool.h"
#include "limbeck/pipeline/recipe.h"

namespace limbeck::pipeline {

struct RunOptions {
  std::filesystem::path recipe;
  std::filesystem::path folder;  // of the run; made if absent, resumed if there
  std::string command;           // for the report
};

// {"recipe": with every default filled in, "estimate": what the teacher will be asked}. Asks
// nothing.
Json dry_run(const Recipe& recipe, ThreadPool& pool);

// The results of the comparison. Throws Error{quality} if the teacher fails its gate,
// Error{interrupted} on a signal (after a checkpoint), and as the stages do.
Json run(const Recipe& recipe, const RunOptions& options, ThreadPool& pool);

}  // namespace limbeck::pipeline
