// Training rows whose outputs are not to be trusted: models that never saw a row answer it, and
// rows on which they contradict the output are left out.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/task/task.h"

namespace limbeck::pipeline {

struct CrossFit {
  int folds = 0;   // parts of the rows, each judged by a model trained on the others; 0: no judging
  int rounds = 1;  // later ones train on what the round before kept, and judge every row again
};

// Trains on the examples of `train` (all with outputs) and answers those of `held_out`. `name`
// tells fold and round: "round1-fold2".
using FoldAnswers = std::function<std::vector<std::string>(
    const std::string& name, std::span<const Example> train, std::span<const Example> held_out)>;

struct CrossFitted {
  std::vector<Example> kept;  // in their order
  Json rejects;               // [{"input", "output", "answer"}]
  Json report;                // {"folds", "rows", "kept": [rows after each round]}
};

// Rows without an output are passed over. Equal inputs, and conversations that begin alike, are in
// one fold: no model learns from what it judges. The same for the same examples, options and seed.
// Throws Error{usage} for generation (no two free texts agree) and fewer rows than folds;
// Error{quality} where under a twentieth would be kept: the models learnt nothing to judge by.
CrossFitted cross_fit(const Task& task, std::span<const Example> examples, const CrossFit& options,
                      std::uint64_t seed, const FoldAnswers& answers);

}  // namespace limbeck::pipeline
