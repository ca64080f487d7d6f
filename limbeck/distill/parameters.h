// All weights of a model in one flat buffer, so that the optimiser, clipping and checkpoints are
// single loops; q, k, v and gate, up lie side by side and multiply as one matrix.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "limbeck/distill/ops.h"
#include "limbeck/model/checkpoint.h"

namespace limbeck::distill {

// Names of tensors that training adds to the model's own, and that no file of the model holds.
inline constexpr std::string_view kTrainingOnly = "train.";

struct ParameterOptions {
  at::ScalarType type = at::kFloat;  // of the master copy: float32 (float64 in tests; frozen: any)
  at::ScalarType compute = at::kFloat;  // of matrix products: as `type`, or bfloat16
  at::Device device = at::kCPU;
  bool trainable = true;  // has gradients
  bool apart = false;     // `forward` is a buffer of its own, for `rounding`
};

// A canonical tensor's place in the buffer.
struct ParameterSlot {
  std::string name;  // "blk.0.attn_q.weight"
  Shape shape;
  std::int64_t offset = 0, count = 0;
  bool matrix() const { return shape.size() > 1; }  // takes weight decay
};

class Parameters {
 public:
  // Zeros. Throws Error{format} on a bad architecture.
  Parameters(const Architecture& architecture, const ParameterOptions& options);
  // The same of other tensors: the model's with some of training's own behind them, or those alone.
  Parameters(const Architecture& architecture, std::vector<TensorSpec> specs,
             const ParameterOptions& options);

  // The weights of a checkpoint of the same shape, decoded; training's own tensors stay as they
  // are. Throws Error{format}.
  void load(const Checkpoint& checkpoint);
  // Normal, deviation 0.02, divided by sqrt(2 layers) where a product is added to the residual
  // stream (GPT-2); norms start as the identity. The same numbers for every thread count.
  void randomize(std::uint64_t seed);
  // After `value` changed: `forward` and `compute` follow it.
  void update_compute();
  // What the model computes with where the masters are `flat`: `flat` itself unless `rounding` is
  // set.
  at::Tensor rounded(const at::Tensor& flat) const;
  bool apart() const { return !forward.is_same(value); }

  // Frozen weights may be kept in bfloat16 alone; vectors (norms, biases) then come in float32.
  // One tensor, or neighbours of equal width as one: {"blk.0.attn_q.weight", ..}; the empty
  // Parameter if the model has none of that name.
  Parameter get(std::string_view name) const { return get({&name, 1}); }
  Parameter get(std::span<const std::string_view> neighbours) const;

  const Architecture& architecture() const { return architecture_; }
  const std::vector<ParameterSlot>& slots() const { return slots_; }
  const ParameterSlot* find(std::string_view name) const;

  // Every tensor as `type` (f32, f16 or bf16) for write_hf_model; reads `value` when called, which
  // may be another flat buffer of this layout (the best weights so far).
  std::vector<NamedTensor> tensors(TensorType type, const at::Tensor& flat) const;

  // Flat, all of one layout. `value`: the masters, which the optimiser changes. `forward`: what the
  // model computes with, in their type; `value` itself unless `apart`. `compute`: the same in the
  // type of products. `grad`: undefined unless trainable.
  at::Tensor value, forward, compute, grad;
  // Makes `forward` of `value`, where they are apart; null: a copy. Gradients pass straight
  // through.
  std::function<void(const at::Tensor& value, const at::Tensor& forward)> rounding;

 private:
  Architecture architecture_;
  ParameterOptions options_;
  std::vector<ParameterSlot> slots_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace limbeck::distill
