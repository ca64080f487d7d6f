// Did the soft labels help? Students trained with them against the same students without, over the
// test items and the seeds of training.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/base/thread_pool.h"
#include "limbeck/task/task.h"

namespace limbeck::pipeline {

// Scores of the test items by one student: [item], the primary metric.
struct SeedScores {
  std::uint64_t seed = 0;
  std::vector<double> with, without;  // without: empty where no control was trained
};

// {"metric", "n", "seeds": [{"seed", "with", "without"}], "with": I, "without": I, "difference": D,
// "helped": "yes" | "no" | "not shown", "sentence"} (I, D: report/results.h). An item's score is
// its mean over the seeds, so the items alone are resampled; the seeds' own spread is in "seeds".
// Without controls only "with" and the seeds are there.
Json judge_soft_labels(const std::string& metric, const std::vector<SeedScores>& scores,
                       std::uint64_t seed);

// The primary scores of the model's answers to the examples, in order.
std::vector<double> item_scores(const std::filesystem::path& model, const Task& task,
                                std::span<const Example> examples, ThreadPool& pool);

}  // namespace limbeck::pipeline
