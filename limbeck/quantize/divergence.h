// How far a rounded model's predictions are from the original's: the Kullback-Leibler divergence of
// the next-token distributions, on given sequences, both models in one process.
#pragma once

#include <vector>

#include "limbeck/base/thread_pool.h"
#include "limbeck/quantize/calibration.h"

namespace limbeck {

struct Divergence {
  double mean_kl = 0;    // nats per predicted token, KL(original || other)
  double same_top1 = 0;  // fraction of positions with the same most probable token
  double nll = 0;        // of the other model on the text, nats per token
  double reference_nll = 0;
  std::int64_t positions = 0;
  std::vector<double> sequence_kl;  // mean of each sequence, for intervals
};

Divergence divergence(const Model& original, const Model& other, const TokenSequences& sequences,
                      ThreadPool& pool);

// What a model says on its sequences, for many comparisons with it.
class Predictions {
 public:
  // `original` has run through all layers, and must outlive this. Its logits are kept where they
  // take at most `most_bytes`, else made anew for each comparison.
  Predictions(LayeredForward& original, ThreadPool& pool, std::uint64_t most_bytes);
  // Of a model that has run through all layers over the same sequences.
  Divergence divergence_of(LayeredForward& other) const;

 private:
  LayeredForward& original_;
  ThreadPool& pool_;
  std::vector<std::vector<float>> kept_;  // of each sequence [tokens, vocab]
};

// As divergence, with one layer of one model in memory at a time, beside both outputs.
Divergence layered_divergence(const Checkpoint& original, const Checkpoint& other,
                              const TokenSequences& sequences, ThreadPool& pool,
                              const LayeredOptions& options);

}  // namespace limbeck
