// The same losses as whole-tensor expressions that autograd differentiates: what the closed forms
// are tested against, and what runs on a GPU, chunk by chunk.
#pragma once

#include <vector>

#include "limbeck/distill/losses.h"
#include "limbeck/distill/torch.h"

namespace limbeck::distill {

struct ReferenceLoss {
  at::Tensor total;                // scalar: sum over rows, weighted
  at::Tensor cross_entropy, soft;  // scalars, unweighted sums; no gradient
  std::int64_t soft_targets = 0;
};

// z [n, vocab] with gradient, labels [n] int64, teacher [n, vocab] logits or undefined, soft [n] or
// empty (entries may be null).
ReferenceLoss reference_loss(const LossSpec& spec, const at::Tensor& z, const at::Tensor& labels,
                             const at::Tensor& teacher, const std::vector<const SoftTarget*>& soft);

}  // namespace limbeck::distill
