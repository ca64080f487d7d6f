#include "limbeck/quantize/divergence.h"

#include <algorithm>
#include <cmath>

namespace limbeck {
namespace {

struct PositionSums {
  double kl = 0, nll = 0, reference_nll = 0;
  bool same = false;
};

// log sum exp, from the largest.
double log_total(std::span<const float> logits) {
  const double largest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - largest);
  return largest + std::log(sum);
}

PositionSums compare(std::span<const float> reference, std::span<const float> other, TokenId next) {
  const double p_total = log_total(reference), q_total = log_total(other);
  PositionSums sums;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double p = double{reference[i]} - p_total, q = double{other[i]} - q_total;
    sums.kl += std::exp(p) * (p - q);
  }
  sums.same = std::ranges::max_element(reference) - reference.begin() ==
              std::ranges::max_element(other) - other.begin();
  const auto at = static_cast<std::size_t>(next);
  sums.nll = q_total - double{other[at]};
  sums.reference_nll = p_total - double{reference[at]};
  return sums;
}

}  // namespace

Divergence divergence(const Model& original, const Model& other, const TokenSequences& sequences,
                      ThreadPool& pool) {
  std::size_t longest = 1;
  for (const auto& sequence : sequences) longest = std::max(longest, sequence.size());
  DecoderOptions options;
  options.context = static_cast<std::int64_t>(longest);
  Decoder reference(original, pool, options), tried(other, pool, options);
  const auto vocab = static_cast<std::size_t>(original.architecture().vocab_size);
  Divergence result;
  for (const auto& sequence : sequences) {
    if (sequence.size() < 2) continue;
    reference.truncate(0, 0);
    tried.truncate(0, 0);
    const std::span<const float> a = reference.forward(sequence, true);
    const std::span<const float> b = tried.forward(sequence, true);
    std::vector<PositionSums> sums(sequence.size() - 1);
    pool.run(sums.size(), [&](std::size_t i) {
      sums[i] = compare(a.subspan(i * vocab, vocab), b.subspan(i * vocab, vocab), sequence[i + 1]);
    });
    double kl = 0;
    for (const PositionSums& sum : sums) {
      kl += sum.kl;
      result.nll += sum.nll;
      result.reference_nll += sum.reference_nll;
      result.same_top1 += sum.same ? 1 : 0;
    }
    result.mean_kl += kl;
    result.positions += static_cast<std::int64_t>(sums.size());
    result.sequence_kl.push_back(kl / static_cast<double>(sums.size()));
  }
  const auto n = static_cast<double>(std::max<std::int64_t>(1, result.positions));
  result.mean_kl /= n;
  result.nll /= n;
  result.reference_nll /= n;
  result.same_top1 /= n;
  return result;
}

}  // namespace limbeck
