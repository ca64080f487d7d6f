// Checkpoints of a training run: a folder step-N with model.safetensors, optimizer.safetensors,
// state.json and, written last, COMPLETE with the size and SHA-256 of each; renamed into place.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "limbeck/base/json.h"
#include "limbeck/distill/torch.h"

namespace limbeck::distill {

struct TrainState {
  std::string identity;  // hash of options, data and shape: another run's checkpoint is not resumed
  std::int64_t step = 0;  // optimiser steps done
  std::int64_t tokens = 0, target_tokens = 0;
  double seconds = 0, loss_average = 0, last_loss = 0;
  std::int64_t evaluations = 0, since_best = 0, best_step = 0;
  double best_metric = 0;
  bool stopped = false;             // patience ran out
  at::Tensor value, first, second;  // flat
  at::Tensor best;                  // flat; undefined: none yet
  Json answers;                     // of the on-policy phase's buffer; null: none
  at::Tensor average;               // flat; undefined: no moving average
  at::Tensor rounded;               // flat; undefined: what the weights give when rounded now
};

// The folder of the newest checkpoint, verified or not; empty: none.
std::filesystem::path newest_checkpoint(const std::filesystem::path& folder);

// Writes step-N and removes older ones but the two before it, and later ones, which another run
// left here. Throws Error{io}.
void save_state(const std::filesystem::path& folder, const TrainState& state);

// The newest checkpoint whose COMPLETE verifies and whose identity is `identity`; others are said
// to be skipped. nullopt if there is none.
std::optional<TrainState> load_state(const std::filesystem::path& folder,
                                     const std::string& identity);

}  // namespace limbeck::distill
