// Losses on what happens inside: the student's hidden states drawn to the teacher's (TinyBERT,
// 1909.10351; through a learned projection where widths differ) and its attention relations to the
// teacher's (MiniLMv2, 2012.15828). Sums over target rows, so that accumulation is exact.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "limbeck/distill/decoder.h"
#include "limbeck/distill/target_batch.h"

namespace limbeck::distill {

// What one forward pass leaves for matching, by layer (from 0).
struct LayerOutputs {
  std::map<std::int64_t, at::Tensor> hidden;  // the residual stream after the layer [n, hidden]
  std::map<std::int64_t, at::Tensor> qkv;     // before rotation [n, (heads + 2 kv_heads) * dim]
};

// Sum over rows of x [n, a] and y [n, a]: mean squared difference over the width, or 1 - cosine.
at::Tensor hidden_distance(const at::Tensor& x, const at::Tensor& y, bool cosine);

// x, y: queries, keys or values of packed tokens [n, widths that `heads` divides]. Each relation
// head's row t is softmax_j(x_t . x_j / sqrt(width of a head)) over j <= t in its text. Sum over
// the rows of `index` of the mean over heads of KL(relation of y || relation of x).
at::Tensor relation_distance(const at::Tensor& x, const at::Tensor& y, const Packing& packing,
                             const at::Tensor& index, std::int64_t heads);

class FeatureMatch {
 public:
  // Throws Error{usage} on layers that are not there or heads that do not divide.
  FeatureMatch(const TrainOptions& options, const Architecture& student,
               const Architecture& teacher);

  bool any() const { return !hidden_.empty() || !attention_.empty(); }
  // The projections to be trained beside the student, where widths differ.
  std::vector<TensorSpec> projections() const;
  static void randomize(Parameters& trained, std::uint64_t seed);

  // decoder.hidden(batch), keeping in `out` what matching reads of this side.
  at::Tensor run(TorchDecoder& decoder, const TokenBatch& batch, bool student,
                 LayerOutputs& out) const;

  // The weighted sum over the targets of `batch`, with gradients to the student and projections.
  at::Tensor loss(const LayerOutputs& student, const LayerOutputs& teacher,
                  const Parameters& trained, const TargetBatch& batch) const;

 private:
  struct Pair {
    std::int64_t student, teacher;  // layers from 0
  };
  TrainOptions::Hidden hidden_options_;
  TrainOptions::Attention attention_options_;
  Architecture student_, teacher_;
  std::vector<Pair> hidden_, attention_;
};

}  // namespace limbeck::distill
