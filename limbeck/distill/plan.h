// Which rows train in which step: a pure function of row lengths, options and seed, so a resumed
// run needs the number of the step alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "limbeck/distill/trainer.h"

namespace limbeck::distill {

struct MicroBatch {
  std::vector<std::uint32_t> rows;  // longest first
};

struct StepPlan {
  std::vector<MicroBatch> micro;
  std::int64_t tokens = 0, targets = 0;
};

// Each epoch shuffles the rows, cuts them into steps of at most batch_tokens tokens (a longer row
// has a step of its own), and each step, sorted by length, into micro-batches of at most
// micro_tokens. A fractional last epoch stops in the middle. Never empty unless `rows` is.
std::vector<StepPlan> plan_steps(std::span<const TrainRow> rows, const TrainOptions& options);

// The chosen rows, longest first, in micro-batches of at most micro_tokens (a longer row alone).
std::vector<MicroBatch> cut(std::span<const TrainRow> rows, std::vector<std::uint32_t> chosen,
                            std::int64_t micro_tokens);

// What one of `ranks` ranks trains of these: their rows, longest first, each to the rank with the
// fewest tokens so far. Together the ranks have each row once; one rank has them as they are.
std::vector<MicroBatch> share(std::span<const TrainRow> rows, const std::vector<MicroBatch>& micro,
                              std::int64_t micro_tokens, int rank, int ranks);

// All rows once, in order of length, for passes without gradients.
std::vector<MicroBatch> plan_pass(std::span<const TrainRow> rows, std::int64_t micro_tokens);

}  // namespace limbeck::distill
