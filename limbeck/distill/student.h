// The model in training: all of its weights, or adapters on frozen ones.
#pragma once

#include <memory>
#include <vector>

#include "limbeck/distill/lora.h"

namespace limbeck::distill {

struct Student {
  std::shared_ptr<Parameters> base;
  std::shared_ptr<Adapters> adapters;  // null: the base itself is trained

  // What the optimiser changes and checkpoints hold.
  Parameters& trained() const { return adapters ? *adapters->parameters() : *base; }
  // The model's flat weights where `trained().value` is `flat`: the adapters merged.
  at::Tensor weights(const at::Tensor& flat) const {
    return adapters ? adapters->merged(*base, flat) : flat;
  }
};

// Loaded, or random by the seed; `more`: training's own tensors, zero. With adapters and bf16 the
// frozen weights are kept in bfloat16 alone. Throws as Checkpoint::open and Adapters.
Student starting_student(const Start& start, const Tokenizer& tokenizer,
                         const TrainOptions& options, at::Device device,
                         const std::vector<TensorSpec>& more = {});

// A model that is only read: a teacher, whose weights are kept in the type of products alone.
std::shared_ptr<Parameters> frozen_model(const std::filesystem::path& model, bool bf16,
                                         at::Device device);

}  // namespace limbeck::distill
