// What a decoder-only transformer is, in numbers: one description drives the runtime's decoder and
// the torch decoder alike. Read from config.json or GGUF keys by one table per family (families.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace limbeck {

enum class Family : std::uint8_t {
  llama,
  mistral,
  qwen2,
  qwen3,
  gemma2,
  gemma3,
  phi3,
  gpt2,
  gpt_neox
};
enum class NormKind : std::uint8_t {
  rms,
  rms_plus_one,
  layer
};  // rms_plus_one: x * (1 + w), Gemma in HF folders
enum class Activation : std::uint8_t { silu, gelu, gelu_tanh };
enum class Positions : std::uint8_t { rope, learned };
// How a head's dimensions pair up under rotation: (i, i + d/2) or (2i, 2i + 1). Llama-family GGUF
// files hold permuted q/k rows and so use `interleaved`; Hugging Face folders use `half`.
enum class RopeStyle : std::uint8_t { half, interleaved };

struct RopeScaling {
  enum class Kind : std::uint8_t { none, linear, llama3, yarn, longrope } kind = Kind::none;
  double factor = 1;
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  std::int64_t original_context = 0;                 // llama3, yarn, longrope
  double beta_fast = 32, beta_slow = 1,
         attention_factor = 0;                      // yarn, longrope; 0: the default of the kind
  std::vector<double> short_factors, long_factors;  // longrope, [rope_dim / 2]; divide frequencies
  bool operator==(const RopeScaling&) const = default;
};

struct Architecture {
  Family family = Family::llama;
  std::string name;  // general.name or the folder's; may be empty

  std::int64_t vocab_size = 0, context_length = 0, hidden = 0, layers = 0;
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0;  // heads % kv_heads == 0
  std::int64_t ffn = 0;

  NormKind norm = NormKind::rms;
  double norm_epsilon = 1e-5;
  bool post_norms = false;         // norms after attention and after the FFN too (Gemma 2, 3)
  bool qk_norm = false;            // RMS norm of each head's q and k (Qwen 3, Gemma 3)
  bool parallel_residual = false;  // x + attention(n1 x) + ffn(n2 x) (GPT-NeoX)

  Activation activation = Activation::silu;
  bool gated_ffn = true;  // down(act(gate x) * up x); else down(act(up x))
  bool qkv_bias = false, attn_output_bias = false, ffn_bias = false;

  Positions positions = Positions::rope;
  RopeStyle rope_style = RopeStyle::half;
  double rope_theta = 10000;
  // Of sliding-window layers (Gemma 3), which then are not scaled; 0: rope_theta and rope_scaling.
  double rope_theta_local = 0;
  std::int64_t rope_dim = 0;  // rotated dimensions of a head, even, <= head_dim
  RopeScaling rope_scaling;

  double embedding_scale = 1;  // Gemma: sqrt(hidden)
  double attention_scale =
      0;  // multiplies q.k; always set (1/sqrt(head_dim) unless the family differs)
  double attention_softcap = 0, logit_softcap = 0;  // 0: none (Gemma 2)
  std::int64_t sliding_window =
      0;  // 0: none; a position sees the last `sliding_window` positions, itself included
  std::int64_t sliding_pattern =
      1;  // of each `sliding_pattern` layers the last is full, the others slide; 1: all slide

  bool tied_embeddings = false;  // output == token_embd

  // Whether layer `i` uses the sliding window.
  bool slides(std::int64_t i) const {
    return sliding_window > 0 && (sliding_pattern <= 1 || (i + 1) % sliding_pattern != 0);
  }
  bool operator==(const Architecture&) const = default;
};

// Parameters of a model of this shape, tied embeddings counted once.
std::int64_t parameter_count(const Architecture& architecture);
// Throws Error{format} naming the field if a dimension is missing, out of range or inconsistent.
void check(const Architecture& architecture, std::string_view origin);

// The canonical (GGUF) names and shapes of every tensor a model of this shape has, in file order:
// token_embd.weight [vocab, hidden], position_embd.weight, output_norm.weight, output.weight
// (absent when tied), blk.N.{attn_norm, attn_q, attn_k, attn_v, attn_output, attn_q_norm,
// attn_k_norm, post_attention_norm, ffn_norm, ffn_gate, ffn_up, ffn_down, post_ffw_norm}.{weight,
// bias}. Linear weights are [out, in].
struct TensorSpec {
  std::string name;
  std::vector<std::int64_t> shape;
};
std::vector<TensorSpec> tensor_specs(const Architecture& architecture);

std::string_view name(
    Family family) noexcept;  // "llama", ... as in general.architecture where it exists there
std::string_view model_type(Family family) noexcept;  // as in config.json: "llama", "gpt_neox", ...

}  // namespace limbeck
