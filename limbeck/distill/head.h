// The output layer and the loss in one: logits are made for a chunk of target rows, turned into
// their gradient in place, multiplied back, and freed. Nothing of size tokens x vocabulary exists.
#pragma once

#include <vector>

#include "limbeck/distill/losses.h"
#include "limbeck/distill/ops.h"

namespace limbeck::distill {

struct HeadTargets {
  std::vector<TokenId> labels;          // [n]
  std::vector<const SoftTarget*> soft;  // [n] or empty; entries may be null
  at::Tensor teacher_hidden;  // [n, teacher width] in the type of teacher_output; or undefined
  at::Tensor teacher_output;  // [vocab, teacher width]
  double teacher_softcap = 0;
};

struct HeadOptions {
  LossSpec loss;
  double softcap = 0;  // of the student's logits
  double scale = 1;    // of the gradient: 1 / target tokens of the whole step
  // Of logits at once, at least 128 rows: what a core's cache takes; on a GPU, what keeps it busy.
  std::int64_t chunk_bytes = 8 << 20, gpu_chunk_bytes = 512 << 20;
};

// hidden [n, width]: the selected rows after the output norm. Returns scale * total (a scalar with
// gradient by `hidden`), adds the gradient by the weights to output.grad, and the sums to `sums`.
// Without grad mode: sums only, and the scalar has no gradient.
at::Tensor head_loss(const at::Tensor& hidden, const Parameter& output, const HeadTargets& targets,
                     const HeadOptions& options, LossSums& sums);

}  // namespace limbeck::distill
