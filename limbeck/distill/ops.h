// The decoder's operations with their gradients: one vector kernel each on the CPU in float and
// bfloat16, the same built from torch operations for other types and devices. The latter is what
// the tests compare with.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "limbeck/distill/torch.h"
#include "limbeck/model/architecture.h"

namespace limbeck::distill {

// A weight that training changes. Gradients do not travel through autograd: backward adds them to
// `grad`, so that accumulation over micro-batches is exact in fp32 whatever the products use.
struct Parameter {
  at::Tensor value;    // what the model computes with, float32 (float64 in tests)
  at::Tensor compute;  // what products read: `value` itself, or its bfloat16 copy
  at::Tensor grad;     // as value; undefined: frozen
  bool defined() const { return value.defined(); }
};

// Adds `gradient` (any type) to parameter.grad; nothing if it is frozen.
void accumulate(const Parameter& parameter, const at::Tensor& gradient);

// x [n, in], weight [out, in], bias [out] or undefined -> [n, out] in the type of weight.compute.
at::Tensor linear(const at::Tensor& x, const Parameter& weight, const Parameter& bias);

// tokens [n] int64 -> [n, hidden] rows of weight.value times `scale`, float32 (float64).
at::Tensor embed(const at::Tensor& tokens, const Parameter& weight, double scale);

// Normalises the last dimension of x [.., width] -> the same shape in `type`. bias: layer only.
struct NormSpec {
  NormKind kind = NormKind::rms;
  double epsilon = 1e-5;
};
at::Tensor norm(const at::Tensor& x, const Parameter& weight, const Parameter& bias,
                const NormSpec& spec, at::ScalarType type);

// {h + y, norm(h + y)} in one pass; h [n, hidden] float32, y [n, hidden] of any type.
std::pair<at::Tensor, at::Tensor> add_norm(const at::Tensor& h, const at::Tensor& y,
                                           const Parameter& weight, const Parameter& bias,
                                           const NormSpec& spec, at::ScalarType type);

// gate_up [n, 2 * ffn] (gate first) -> act(gate) * up [n, ffn].
at::Tensor gated(const at::Tensor& gate_up, Activation activation);
// act(x) alone.
at::Tensor activate(const at::Tensor& x, Activation activation);

// Rows of x [n, width] in the order of `index` [m] int64, no index twice -> [m, width].
at::Tensor select_rows(const at::Tensor& x, const at::Tensor& index);

// f(inputs) without keeping what is inside: backward runs f again. `f` must give the same each
// time.
Gradients recomputed(const std::function<Gradients(const Gradients& inputs)>& f,
                     const Gradients& inputs);

// Where attention over padded rows finds its tokens.
struct PaddedPlaces {
  at::Tensor from;  // [rows * longest] int64: the token of each place, n where there is none
  at::Tensor back;  // [n] int64: the place of each token
};

// Rows of tokens laid end to end: row r is [starts[r], starts[r + 1]) of n tokens. Sorted by
// falling length the padding inside attention is least.
struct Packing {
  std::vector<std::int64_t> starts;  // [rows + 1], starts with 0
  // Made once for all layers: a copy to a GPU would stop it each time.
  mutable std::shared_ptr<const PaddedPlaces> places = nullptr;
  std::int64_t rows() const { return static_cast<std::int64_t>(starts.size()) - 1; }
  std::int64_t length(std::int64_t row) const {
    const auto r = static_cast<std::size_t>(row);
    return starts[r + 1] - starts[r];
  }
  std::int64_t longest() const;
};

// Rotation angles of positions [0, length): cos and sin [length, rope_dim / 2], scaled by the
// family's factors. Empty dims: no rotation.
struct Rotation {
  at::Tensor cos, sin;  // float32 (float64 in tests)
  RopeStyle style = RopeStyle::half;
};

struct AttentionSpec {
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0;
  double scale = 0, softcap = 0;
  std::int64_t window = 0;  // 0: all of the past
};

// Causal attention within each row. qkv [n, (heads + 2 kv_heads) * head_dim]: q of all heads, then
// k, then v -> [n, heads * head_dim].
at::Tensor attention(const at::Tensor& qkv, const Packing& packing, const Rotation& rotation,
                     const AttentionSpec& spec);

}  // namespace limbeck::distill
