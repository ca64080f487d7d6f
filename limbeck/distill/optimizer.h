// AdamW (Loshchilov & Hutter 2019, 1711.05101) over the flat buffers: one pass updates weights,
// both moments and the products' bfloat16 copy.
#pragma once

#include <cstdint>

#include "limbeck/distill/parameters.h"

namespace limbeck::distill {

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  double weight_decay = 0.01;  // of matrices; norms and biases are not decayed
};

class AdamW {
 public:
  explicit AdamW(const Parameters& parameters);

  // The 2-norm of all gradients, summed in fixed blocks: the same for every thread count.
  static double gradient_norm(const Parameters& parameters);

  // Step `step` (from 1) with gradients multiplied by `gradient_scale` (clipping); then zeroes
  // them. What the model computes with follows, unless it is kept apart: the caller says when then.
  void step(Parameters& parameters, const AdamOptions& options, double learning_rate,
            double gradient_scale, std::int64_t step);

  at::Tensor first, second;  // moments, flat, as parameters.value

 private:
  at::Tensor decays_;  // 1 where weight decay applies, 0 elsewhere; made when a GPU needs it
};

// The learning rate of step `step` in [0, steps): linear warm-up over `warmup` of them, then
// "cosine", "linear" or "constant" down to final_ratio of the peak.
struct Schedule {
  std::string kind = "cosine";
  double peak = 1e-3, final_ratio = 0.1, warmup = 0.05;
  double at(std::int64_t step, std::int64_t steps) const;
};

}  // namespace limbeck::distill
