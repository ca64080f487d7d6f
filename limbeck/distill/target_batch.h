// A micro-batch ready for the decoder and the head: packed tokens and what each target row is
// trained on.
#pragma once

#include <span>

#include "limbeck/distill/decoder.h"
#include "limbeck/distill/head.h"
#include "limbeck/distill/plan.h"

namespace limbeck::distill {

struct TargetBatch {
  TokenBatch tokens;
  at::Tensor index;  // [targets] int64: the hidden row that predicts each target
  HeadTargets targets;
};

TargetBatch make_batch(std::span<const TrainRow> rows, const MicroBatch& micro,
                       at::Device device = at::kCPU);

// Cross-entropy and, where rows have them, soft terms over all target tokens, without gradients.
LossSums total_loss(const TorchDecoder& decoder, std::span<const TrainRow> rows,
                    const LossSpec& spec, std::int64_t micro_tokens);

}  // namespace limbeck::distill
