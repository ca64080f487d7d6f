// What a change of one matrix does to the whole model's predictions: only the layers from its own
// on are run again, one of them in memory at a time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "limbeck/quantize/divergence.h"
#include "limbeck/quantize/layered_forward.h"

namespace limbeck {

class Probe {
 public:
  // Everything referred to must outlive this. Throws as LayeredForward.
  Probe(const Checkpoint& original, TokenSequences sequences, ThreadPool& pool,
        const LayeredOptions& options);

  // KL(original || original with this weight under `name`), nats per predicted token. Cheapest when
  // asked in the order of the layers.
  double divergence_with(const std::string& name, const Weight& weight);

 private:
  const Checkpoint& original_;
  TokenSequences sequences_;
  ThreadPool& pool_;
  LayeredOptions options_;
  std::optional<LayeredForward> before_;  // as far as all layers are as they were
  LayeredForward ended_;
  std::optional<Predictions> predictions_;  // of all layers as they were
};

}  // namespace limbeck
