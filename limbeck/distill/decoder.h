// The decoder in torch: one forward pass for every family, driven by model::Architecture.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "limbeck/distill/lora.h"

namespace limbeck::distill {

// Rows of tokens laid end to end without padding; no row sees another.
struct TokenBatch {
  at::Tensor tokens;     // [n] int64
  at::Tensor positions;  // [n] int64, within the row
  Packing packing;
};

TokenBatch pack(std::span<const std::span<const TokenId>> rows, at::Device device = at::kCPU);

class TorchDecoder {
 public:
  // `adapters`, if any, are added to the parameters' products; only read here.
  explicit TorchDecoder(std::shared_ptr<Parameters> parameters, const Adapters* adapters = nullptr);

  // Hidden states after the output norm [n, hidden], in the type of products.
  at::Tensor hidden(const TokenBatch& batch) const;
  // All of them as logits in float32 [n, vocab]: for small tests and parity.
  at::Tensor logits(const TokenBatch& batch) const;

  const Parameter& output() const { return output_; }  // [vocab, hidden]; the embedding when tied
  const Architecture& architecture() const { return parameters_->architecture(); }
  Parameters& parameters() const { return *parameters_; }

  // Keep no activation inside a layer: backward runs it again. The same gradients, to the last bit.
  bool recompute = false;

  // Called, if set, with each layer's input and output residual stream [n, hidden] (pruning).
  std::function<void(std::int64_t layer, const at::Tensor& before, const at::Tensor& after)>
      on_layer;
  // Called, if set, with each layer's queries, keys and values before rotation (matching).
  std::function<void(std::int64_t layer, const at::Tensor& qkv)> on_qkv;
  // Called, if set, with the heads' outputs [n, heads * head_dim] of each layer (pruning).
  std::function<void(std::int64_t layer, const at::Tensor& out)> on_attention;
  // Called, if set, with the FFN's inner activations [n, ffn] of each layer (pruning).
  std::function<void(std::int64_t layer, const at::Tensor& inner)> on_ffn;

 private:
  struct Linear {
    Parameter weight, bias;
    Adapter adapter;
    at::Tensor operator()(const at::Tensor& x) const {
      return adapted_linear(x, weight, bias, adapter);
    }
  };
  struct Norm {
    Parameter weight, bias;
  };
  struct Layer {
    Norm attn_norm, q_norm, k_norm, post_attention_norm, ffn_norm, post_ffw_norm;
    Linear qkv, attn_output, ffn_in, ffn_down;  // ffn_in: gate and up, or up alone
    Rotation rotation;                          // index into rotations by kind of layer
    AttentionSpec attention;
  };

  std::pair<at::Tensor, at::Tensor> layer(std::int64_t index, at::Tensor h, at::Tensor x,
                                          const TokenBatch& batch) const;
  at::Tensor attend(std::int64_t index, const at::Tensor& x, const TokenBatch& batch) const;
  at::Tensor feed(std::int64_t index, const at::Tensor& x) const;
  at::Tensor normalize(const at::Tensor& x, const Norm& norm) const;
  void extend_rotations(std::int64_t length) const;

  std::shared_ptr<Parameters> parameters_;
  Parameter embedding_, positions_, output_;
  Norm output_norm_;
  NormSpec norm_spec_;
  at::ScalarType type_;
  mutable std::vector<Layer> layers_;
  mutable std::int64_t rotated_ = 0;  // positions the rotation tables cover
};

}  // namespace limbeck::distill
