#include "limbeck/quantize/divergence.h"

#include <algorithm>
#include <cmath>

namespace limbeck {
namespace {

struct PositionSums {
  double kl = 0, nll = 0, reference_nll = 0;
  bool same = false;
};

// log sum exp, from the largest; what the logits give by exp(logit - largest) in `each`.
double log_total(std::span<const float> logits, std::vector<double>* each = nullptr) {
  const double largest = *std::ranges::max_element(logits);
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double value = std::exp(double{logits[i]} - largest);
    sum += value;
    if (each) (*each)[i] = value;
  }
  return largest + std::log(sum);
}

PositionSums compare(std::span<const float> reference, std::span<const float> other, TokenId next) {
  std::vector<double> weights(reference.size());
  const double p_total = log_total(reference, &weights), q_total = log_total(other);
  PositionSums sums;
  double weight = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    sums.kl += weights[i] * (double{reference[i]} - double{other[i]});
    weight += weights[i];
  }
  sums.kl = sums.kl / weight - p_total + q_total;
  sums.same = std::ranges::max_element(reference) - reference.begin() ==
              std::ranges::max_element(other) - other.begin();
  const auto at = static_cast<std::size_t>(next);
  sums.nll = q_total - double{other[at]};
  sums.reference_nll = p_total - double{reference[at]};
  return sums;
}

// Sums over positions, in order.
class Sums {
 public:
  Sums(const TokenSequences& sequences, ThreadPool& pool) : sequences_(sequences), pool_(pool) {}

  // Logits [n, vocab] of positions from `first` on; the last of a sequence predicts nothing.
  void add(std::size_t sequence, std::size_t first, std::span<const float> a,
           std::span<const float> b, std::size_t vocab) {
    const auto& tokens = sequences_[sequence];
    const std::size_t n = std::min(a.size() / vocab, tokens.size() - 1 - first);
    std::vector<PositionSums> sums(n);
    pool_.run(n, [&](std::size_t i) {
      sums[i] =
          compare(a.subspan(i * vocab, vocab), b.subspan(i * vocab, vocab), tokens[first + i + 1]);
    });
    for (const PositionSums& sum : sums) {
      kl_ += sum.kl;
      result_.nll += sum.nll;
      result_.reference_nll += sum.reference_nll;
      result_.same_top1 += sum.same ? 1 : 0;
    }
    if (first + n + 1 < tokens.size() || tokens.size() < 2) return;
    result_.mean_kl += kl_;
    result_.positions += static_cast<std::int64_t>(tokens.size() - 1);
    result_.sequence_kl.push_back(kl_ / static_cast<double>(tokens.size() - 1));
    kl_ = 0;
  }

  Divergence take() {
    const auto n = static_cast<double>(std::max<std::int64_t>(1, result_.positions));
    for (double* sum : {&result_.mean_kl, &result_.nll, &result_.reference_nll, &result_.same_top1})
      *sum /= n;
    return std::move(result_);
  }

 private:
  const TokenSequences& sequences_;
  ThreadPool& pool_;
  double kl_ = 0;  // of the sequence that is not at its end
  Divergence result_;
};

}  // namespace

Divergence divergence(const Model& original, const Model& other, const TokenSequences& sequences,
                      ThreadPool& pool) {
  std::size_t longest = 1;
  for (const auto& sequence : sequences) longest = std::max(longest, sequence.size());
  const DecoderOptions options{.context = static_cast<std::int64_t>(longest)};
  Decoder a(original, pool, options), b(other, pool, options);
  const auto vocab = static_cast<std::size_t>(original.architecture().vocab_size);
  Sums sums(sequences, pool);
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    if (sequences[i].size() < 2) continue;
    a.truncate(0, 0);
    b.truncate(0, 0);
    const auto reference = a.forward(sequences[i], true);
    sums.add(i, 0, reference, b.forward(sequences[i], true), vocab);
  }
  return sums.take();
}

Predictions::Predictions(LayeredForward& original, ThreadPool& pool, std::uint64_t most_bytes)
    : original_(original), pool_(pool) {
  const auto vocab = static_cast<std::uint64_t>(original.checkpoint().architecture().vocab_size);
  std::uint64_t tokens = 0;
  for (const auto& sequence : original.sequences()) tokens += sequence.size();
  if (tokens * vocab * sizeof(float) > most_bytes) return;
  kept_.resize(original.sequences().size());
  original.outputs([&](std::size_t sequence, std::size_t, std::span<const float> logits) {
    kept_[sequence].insert(kept_[sequence].end(), logits.begin(), logits.end());
  });
}

Divergence Predictions::divergence_of(LayeredForward& other) const {
  const TokenSequences& sequences = original_.sequences();
  const auto vocab = static_cast<std::size_t>(original_.checkpoint().architecture().vocab_size);
  Sums sums(sequences, pool_);
  const auto add = [&](std::size_t sequence, std::size_t first, std::span<const float> a,
                       std::span<const float> b) {
    if (first + 1 < sequences[sequence].size()) sums.add(sequence, first, a, b, vocab);
  };
  if (kept_.empty()) {
    LayeredForward::compare_outputs(original_, other, add);
  } else {
    other.outputs([&](std::size_t sequence, std::size_t first, std::span<const float> logits) {
      add(sequence, first, std::span(kept_[sequence]).subspan(first * vocab, logits.size()),
          logits);
    });
  }
  return sums.take();
}

Divergence layered_divergence(const Checkpoint& original, const Checkpoint& other,
                              const TokenSequences& sequences, ThreadPool& pool,
                              const LayeredOptions& options) {
  LayeredForward a(original, sequences, pool, options), b(other, sequences, pool, options);
  a.finish();
  b.finish();
  return Predictions(a, pool, /*most_bytes=*/0).divergence_of(b);
}

}  // namespace limbeck
