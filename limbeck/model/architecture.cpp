#include "limbeck/model/architecture.h"

#include <fmt/core.h>

#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/model/families.h"

namespace limbeck {
namespace {

// Far above any real model, low enough that no product of two of them overflows.
constexpr std::int64_t kMaxDimension = std::int64_t{1} << 24;

struct Checker {
  std::string_view origin;

  void range(std::string_view field, std::int64_t value, std::int64_t low,
             std::int64_t high = kMaxDimension) const {
    if (value < low || value > high) {
      fail(ErrorKind::format, "{}: {} is {}, it must be in [{}, {}]", origin, field, value, low,
           high);
    }
  }
  void number(std::string_view field, double value, double low, double high) const {
    if (!(value >= low && value <= high)) {  // NaN fails too
      fail(ErrorKind::format, "{}: {} is {}, it must be in [{}, {}]", origin, field, value, low,
           high);
    }
  }
  void that(bool holds, std::string_view message) const {
    if (!holds) fail(ErrorKind::format, "{}: {}", origin, message);
  }
};

void check_rope(const Architecture& a, const Checker& want) {
  if (a.positions != Positions::rope) return;
  const RopeScaling& scaling = a.rope_scaling;
  want.range("the number of rotated dimensions", a.rope_dim, 2, a.head_dim);
  want.that(a.rope_dim % 2 == 0, "the number of rotated dimensions is odd");
  want.number("rope_theta", a.rope_theta, 1e-3, 1e15);
  if (a.rope_theta_local != 0) want.number("rope_theta_local", a.rope_theta_local, 1e-3, 1e15);
  want.number("rope scaling factor", scaling.factor, 1e-6, 1e6);
  want.number("rope scaling attention_factor", scaling.attention_factor, 0, 1e6);
  using enum RopeScaling::Kind;
  if (scaling.kind == llama3 || scaling.kind == yarn || scaling.kind == longrope) {
    want.range("original_max_position_embeddings", scaling.original_context, 1,
               std::int64_t{1} << 40);
  }
  if (scaling.kind == llama3) {
    want.number("low_freq_factor", scaling.low_freq_factor, 1e-6, 1e6);
    want.number("high_freq_factor", scaling.high_freq_factor, 1e-6, 1e6);
    want.that(scaling.high_freq_factor > scaling.low_freq_factor,
              "high_freq_factor must be greater than low_freq_factor");
  }
  if (scaling.kind == yarn) {
    want.number("beta_fast", scaling.beta_fast, 1e-6, 1e6);
    want.number("beta_slow", scaling.beta_slow, 1e-6, 1e6);
    want.that(a.rope_theta > 1, "yarn needs a rope_theta over 1");
  }
  if (scaling.kind == longrope) {
    for (const auto* factors : {&scaling.short_factors, &scaling.long_factors}) {
      if (static_cast<std::int64_t>(factors->size()) != a.rope_dim / 2) {
        fail(ErrorKind::format, "{}: longrope has {} factors where {} dimensions rotate in pairs",
             want.origin, factors->size(), a.rope_dim);
      }
      for (const double factor : *factors) want.number("longrope factor", factor, 1e-6, 1e9);
    }
  }
}

class Specs {
 public:
  explicit Specs(const Architecture& a) : a_(a) {}

  void add(std::string name, std::vector<std::int64_t> shape) {
    specs_.push_back({std::move(name), std::move(shape)});
  }
  void linear(const std::string& stem, std::int64_t out, std::int64_t in, bool bias) {
    add(stem + ".weight", {out, in});
    if (bias) add(stem + ".bias", {out});
  }
  void norm(const std::string& stem, std::int64_t width) {
    add(stem + ".weight", {width});
    if (a_.norm == NormKind::layer) add(stem + ".bias", {width});
  }
  void block(std::int64_t i) {
    const std::string blk = fmt::format("blk.{}.", i);
    const std::int64_t q = a_.heads * a_.head_dim, kv = a_.kv_heads * a_.head_dim;
    norm(blk + "attn_norm", a_.hidden);
    linear(blk + "attn_q", q, a_.hidden, a_.qkv_bias);
    linear(blk + "attn_k", kv, a_.hidden, a_.qkv_bias);
    linear(blk + "attn_v", kv, a_.hidden, a_.qkv_bias);
    if (a_.qk_norm) add(blk + "attn_q_norm.weight", {a_.head_dim});
    if (a_.qk_norm) add(blk + "attn_k_norm.weight", {a_.head_dim});
    linear(blk + "attn_output", a_.hidden, q, a_.attn_output_bias);
    if (a_.post_norms) norm(blk + "post_attention_norm", a_.hidden);
    norm(blk + "ffn_norm", a_.hidden);
    if (a_.gated_ffn) linear(blk + "ffn_gate", a_.ffn, a_.hidden, a_.ffn_bias);
    linear(blk + "ffn_up", a_.ffn, a_.hidden, a_.ffn_bias);
    linear(blk + "ffn_down", a_.hidden, a_.ffn, a_.ffn_bias);
    if (a_.post_norms) norm(blk + "post_ffw_norm", a_.hidden);
  }
  std::vector<TensorSpec> all() {
    add("token_embd.weight", {a_.vocab_size, a_.hidden});
    if (a_.positions == Positions::learned) {
      add("position_embd.weight", {a_.context_length, a_.hidden});
    }
    for (std::int64_t i = 0; i < a_.layers; ++i) block(i);
    norm("output_norm", a_.hidden);
    if (!a_.tied_embeddings) add("output.weight", {a_.vocab_size, a_.hidden});
    return std::move(specs_);
  }

 private:
  const Architecture& a_;
  std::vector<TensorSpec> specs_;
};

}  // namespace

void check(const Architecture& a, std::string_view origin) {
  const Checker want{origin};
  want.range("vocab_size", a.vocab_size, 1);
  want.range("context length", a.context_length, 1, std::int64_t{1} << 32);
  want.range("hidden size", a.hidden, 1);
  want.range("number of layers", a.layers, 1, 4096);
  want.range("number of attention heads", a.heads, 1, 65536);
  want.range("number of key-value heads", a.kv_heads, 1, a.heads);
  want.range("head_dim", a.head_dim, 1, 65536);
  want.range("intermediate size", a.ffn, 1);
  if (a.heads % a.kv_heads != 0) {
    fail(ErrorKind::format, "{}: {} attention heads do not divide into {} key-value heads", origin,
         a.heads, a.kv_heads);
  }
  want.range("heads x head_dim", a.heads * a.head_dim, 1);
  want.number("norm epsilon", a.norm_epsilon, 0, 1);
  want.number("embedding scale", a.embedding_scale, 1e-6, 1e6);
  want.number("attention scale", a.attention_scale, 1e-6, 1e6);
  want.number("attention softcap", a.attention_softcap, 0, 1e6);
  want.number("logit softcap", a.logit_softcap, 0, 1e6);
  want.range("sliding_window", a.sliding_window, 0, std::int64_t{1} << 40);
  want.range("sliding window pattern", a.sliding_pattern, 1, 4096);
  check_rope(a, want);
}

std::vector<TensorSpec> tensor_specs(const Architecture& architecture) {
  return Specs(architecture).all();
}

std::int64_t parameter_count(const Architecture& architecture) {
  std::int64_t count = 0;
  for (const TensorSpec& spec : tensor_specs(architecture)) {
    std::int64_t weights = 1;
    for (const std::int64_t size : spec.shape) weights *= size;
    count += weights;
  }
  return count;
}

std::string_view name(Family family) noexcept { return family_info(family).name; }
std::string_view model_type(Family family) noexcept { return family_info(family).model_type; }

}  // namespace limbeck
