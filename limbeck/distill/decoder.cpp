#include "limbeck/distill/decoder.h"

#include <fmt/format.h>

#include "limbeck/base/error.h"
#include "limbeck/model/rope.h"

namespace limbeck::distill {
namespace {

// cos and sin of positions [0, length), scaled.
Rotation rotation(const Architecture& a, std::int64_t layer, std::int64_t length,
                  const at::Tensor& like) {
  const RopeTable table = rope_table(a, layer);
  const auto half = static_cast<std::int64_t>(table.frequencies.size());
  if (half == 0) return {};
  const auto frequencies = at::tensor(table.frequencies, at::kDouble);
  const auto angles = at::outer(at::arange(length, at::kDouble), frequencies);  // [length, half]
  const auto to =
      like.options().dtype(like.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  return {(angles.cos() * table.magnitude).to(to).contiguous(),
          (angles.sin() * table.magnitude).to(to).contiguous(), a.rope_style};
}

}  // namespace

TokenBatch pack(std::span<const std::span<const TokenId>> rows, at::Device device) {
  std::vector<std::int64_t> tokens, positions;
  TokenBatch batch;
  batch.packing.starts.push_back(0);
  for (const auto& row : rows) {
    for (std::size_t t = 0; t < row.size(); ++t) {
      tokens.push_back(row[t]);
      positions.push_back(static_cast<std::int64_t>(t));
    }
    batch.packing.starts.push_back(static_cast<std::int64_t>(tokens.size()));
  }
  batch.tokens = at::tensor(tokens, at::kLong).to(device);
  batch.positions = at::tensor(positions, at::kLong).to(device);
  return batch;
}

TorchDecoder::TorchDecoder(std::shared_ptr<Parameters> parameters, const Adapters* adapters)
    : parameters_(std::move(parameters)) {
  const Architecture& a = architecture();
  const Parameters& p = *parameters_;
  norm_spec_ = {a.norm, a.norm_epsilon};
  type_ = p.compute.scalar_type();
  embedding_ = p.get("token_embd.weight");
  positions_ = p.get("position_embd.weight");
  output_ = a.tied_embeddings ? embedding_ : p.get("output.weight");
  const auto norm_of = [&](const std::string& stem) {
    return Norm{p.get(stem + ".weight"), p.get(stem + ".bias")};
  };
  const auto linear_of = [&](const std::string& blk, std::initializer_list<const char*> stems) {
    const auto with_names = [&](const char* suffix, const auto& f) {
      std::vector<std::string> names;
      for (const char* stem : stems) names.push_back(blk + stem + suffix);
      const std::vector<std::string_view> views(names.begin(), names.end());
      return f(std::span(views));
    };
    const auto get = [&](std::span<const std::string_view> names) { return p.get(names); };
    const auto adapter = [&](std::span<const std::string_view> names) {
      return adapters ? adapters->get(p, names) : Adapter{};
    };
    return Linear{with_names(".weight", get), with_names(".bias", get),
                  with_names(".weight", adapter)};
  };
  output_norm_ = norm_of("output_norm");
  for (std::int64_t i = 0; i < a.layers; ++i) {
    const std::string blk = fmt::format("blk.{}.", i);
    Layer layer;
    layer.attn_norm = norm_of(blk + "attn_norm");
    layer.q_norm = norm_of(blk + "attn_q_norm");
    layer.k_norm = norm_of(blk + "attn_k_norm");
    layer.post_attention_norm = norm_of(blk + "post_attention_norm");
    layer.ffn_norm = norm_of(blk + "ffn_norm");
    layer.post_ffw_norm = norm_of(blk + "post_ffw_norm");
    layer.qkv = linear_of(blk, {"attn_q", "attn_k", "attn_v"});
    layer.attn_output = linear_of(blk, {"attn_output"});
    layer.ffn_in =
        a.gated_ffn ? linear_of(blk, {"ffn_gate", "ffn_up"}) : linear_of(blk, {"ffn_up"});
    layer.ffn_down = linear_of(blk, {"ffn_down"});
    layer.attention = {a.heads,           a.kv_heads,          a.head_dim,
                       a.attention_scale, a.attention_softcap, a.slides(i) ? a.sliding_window : 0};
    layers_.push_back(std::move(layer));
  }
}

void TorchDecoder::extend_rotations(std::int64_t length) const {
  const Architecture& a = architecture();
  if (a.positions != Positions::rope || length <= rotated_) return;
  at::NoGradGuard no_grad;
  rotated_ = std::max(length, std::min<std::int64_t>(a.context_length, 2 * length));
  // Layers of one kind share a table: full ones, and sliding ones where their theta differs.
  Rotation kinds[2];
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto layer = static_cast<std::int64_t>(i);
    Rotation& kind = kinds[a.slides(layer) ? 1 : 0];
    if (!kind.cos.defined()) kind = rotation(a, layer, rotated_, parameters_->value);
    layers_[i].rotation = kind;
  }
}

at::Tensor TorchDecoder::normalize(const at::Tensor& x, const Norm& n) const {
  return norm(x, n.weight, n.bias, norm_spec_, type_);
}

at::Tensor TorchDecoder::attend(std::int64_t index, const at::Tensor& x,
                                const TokenBatch& batch) const {
  const Layer& layer = layers_[static_cast<std::size_t>(index)];
  const AttentionSpec& s = layer.attention;
  auto qkv = layer.qkv(x);  // [n, (heads + 2 kv_heads) * head_dim]
  if (layer.q_norm.weight.defined()) {
    const auto n = qkv.size(0), q = s.heads * s.head_dim, kv = s.kv_heads * s.head_dim;
    const auto per_head = [&](const at::Tensor& part, const Norm& by) {
      return normalize(part.reshape({-1, s.head_dim}), by).view({n, -1});
    };
    qkv = at::cat({per_head(qkv.narrow(1, 0, q), layer.q_norm),
                   per_head(qkv.narrow(1, q, kv), layer.k_norm), qkv.narrow(1, q + kv, kv)},
                  1);
  }
  if (on_qkv) on_qkv(index, qkv);
  const auto heads = attention(qkv, batch.packing, layer.rotation, s);
  if (on_attention) on_attention(index, heads);
  auto out = layer.attn_output(heads);
  if (layer.post_attention_norm.weight.defined()) out = normalize(out, layer.post_attention_norm);
  return out;
}

at::Tensor TorchDecoder::feed(std::int64_t index, const at::Tensor& x) const {
  const Layer& layer = layers_[static_cast<std::size_t>(index)];
  const Architecture& a = architecture();
  const auto in = layer.ffn_in(x);
  const auto inner = a.gated_ffn ? gated(in, a.activation) : activate(in, a.activation);
  if (on_ffn) on_ffn(index, inner);
  auto out = layer.ffn_down(inner);
  if (layer.post_ffw_norm.weight.defined()) out = normalize(out, layer.post_ffw_norm);
  return out;
}

// The residual stream h and its norm x, both [n, hidden], through one layer.
std::pair<at::Tensor, at::Tensor> TorchDecoder::layer(std::int64_t index, at::Tensor h,
                                                      at::Tensor x, const TokenBatch& batch) const {
  const Architecture& a = architecture();
  const Layer& layer = layers_[static_cast<std::size_t>(index)];
  const Norm& next =
      index + 1 < a.layers ? layers_[static_cast<std::size_t>(index) + 1].attn_norm : output_norm_;
  const auto add = [&](const at::Tensor& y, const Norm& by) {
    std::tie(h, x) = add_norm(h, y, by.weight, by.bias, norm_spec_, type_);
  };
  const auto attended = attend(index, x, batch);
  if (a.parallel_residual) {
    add(attended + feed(index, normalize(h, layer.ffn_norm)), next);
  } else {
    add(attended, layer.ffn_norm);
    add(feed(index, x), next);
  }
  return {h, x};
}

at::Tensor TorchDecoder::hidden(const TokenBatch& batch) const {
  const Architecture& a = architecture();
  extend_rotations(batch.packing.longest());
  auto h = embed(batch.tokens, embedding_, a.embedding_scale);  // [n, hidden], the residual stream
  if (positions_.defined()) h = h + embed(batch.positions, positions_, 1);
  auto x = normalize(h, layers_.front().attn_norm);
  for (std::int64_t i = 0; i < a.layers; ++i) {
    const auto before = h;
    if (recompute) {
      const auto out = recomputed(
          [this, i, batch](const Gradients& in) {
            const auto [sum, normed] = layer(i, in[0], in[1], batch);
            return Gradients{sum, normed};
          },
          {h, x});
      h = out[0];
      x = out[1];
    } else {
      std::tie(h, x) = layer(i, h, x, batch);
    }
    if (on_layer) on_layer(i, before, h);
  }
  return x;
}

at::Tensor TorchDecoder::logits(const TokenBatch& batch) const {
  const auto z = linear(hidden(batch), output_, {})
                     .to(embedding_.value.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  const double cap = architecture().logit_softcap;
  return cap > 0 ? at::tanh(z / cap) * cap : z;
}

}  // namespace limbeck::distill
