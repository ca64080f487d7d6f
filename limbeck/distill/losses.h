// Losses at one target position: value and gradient by the logits, in closed form.
// p teacher, q student, both at temperature T; soft terms carry the factor T^2 (Hinton et al. 2015,
// 1503.02531). Reverse KL and JSD: 2306.13649; skewed: 2402.03898; sampled labels: 2503.16870.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "limbeck/distill/trainer.h"

namespace limbeck::distill {

struct LossSpec {
  Loss kind = Loss::forward_kl;
  double beta = 0.5;   // jsd: m = beta p + (1 - beta) q
  double alpha = 0.1;  // skew_kl: m = alpha p + (1 - alpha) q; reverse: m = alpha q + (1 - alpha) p
  double soft_weight = 0.5;  // of positions with soft labels; the rest is cross-entropy
  double temperature = 1.0;  // > 0
};

// Sums over positions, in nats: dividing by the counts once, at the end, keeps accumulation exact.
struct LossSums {
  double total = 0;          // what is minimised: weighted
  double cross_entropy = 0;  // at temperature 1, unweighted
  double soft = 0;           // with T^2, unweighted; over soft_targets positions
  double inside = 0;         // of hidden states and attention, weighted
  std::int64_t targets = 0, soft_targets = 0;
  void add(const LossSums& other);
};

// What one position is trained on.
template <typename F>
struct RowTarget {
  TokenId label = 0;
  const F* teacher = nullptr;        // dense logits [vocab], at temperature 1; or
  const SoftTarget* soft = nullptr;  // sparse; both null (or kind none): the label alone
};

// Buffers of one thread, [vocab] each.
template <typename F>
struct RowScratch {
  std::vector<F> a, b, c, d;
  explicit RowScratch(std::int64_t vocab);
};

// The loss of logits z [vocab], added to `sums`, and its gradient times `scale` written over z.
// Differentiates L = (1 - w) CE + w T^2 D(p, q). `gradient` false: z is left as it is.
// Sparse targets: a share below 1e-8 counts as 1e-8 where a logarithm of p is taken.
void loss_row(const LossSpec& spec, std::span<float> z, const RowTarget<float>& target,
              double scale, bool gradient, RowScratch<float>& scratch, LossSums& sums);
void loss_row(const LossSpec& spec, std::span<double> z, const RowTarget<double>& target,
              double scale, bool gradient, RowScratch<double>& scratch, LossSums& sums);

// Throws Error{usage} unless `loss` can use this soft target: counts serve forward KL alone, top-k
// temperature 1 alone (a top-k list says nothing about the tail at another temperature).
void check_soft_target(const LossSpec& spec, const SoftTarget& target, std::int64_t vocab);

}  // namespace limbeck::distill
