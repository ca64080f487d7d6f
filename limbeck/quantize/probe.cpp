#include "limbeck/quantize/probe.h"

#include <utility>

#include "limbeck/model/mixes.h"

namespace limbeck {
namespace {

// The layer whose input is the same with and without the matrix.
std::int64_t layer_before(const std::string& name, const Architecture& architecture) {
  const TensorRole role = role_of(name);
  if (role.layer >= 0) return role.layer;
  return role.role == Role::output ? architecture.layers : 0;
}

}  // namespace

Probe::Probe(const Checkpoint& original, TokenSequences sequences, ThreadPool& pool,
             const LayeredOptions& options)
    : original_(original),
      sequences_(std::move(sequences)),
      pool_(pool),
      options_(options),
      ended_(original, sequences_, pool, options) {
  ended_.finish();
  predictions_.emplace(ended_, pool, options_.memory_bytes / 4);
}

double Probe::divergence_with(const std::string& name, const Weight& weight) {
  const std::int64_t layer = layer_before(name, original_.architecture());
  if (!before_ || before_->layer() > layer) before_.emplace(original_, sequences_, pool_, options_);
  before_->advance(layer);
  Checkpoint changed = Checkpoint::open(original_.path());
  changed.replace(name, weight);
  LayeredForward forward(*before_, changed);
  forward.finish();
  return predictions_->divergence_of(forward).mean_kl;
}

}  // namespace limbeck
