#include "limbeck/model/families.h"

#include <algorithm>
#include <array>
#include <vector>

namespace limbeck {
namespace {

constexpr IntegerField kIntegers[] = {
    {&Architecture::vocab_size, "vocab_size", "vocab_size", "vocab_size"},
    {&Architecture::context_length, "max_position_embeddings", "n_positions", "context_length"},
    {&Architecture::hidden, "hidden_size", "n_embd", "embedding_length"},
    {&Architecture::layers, "num_hidden_layers", "n_layer", "block_count"},
    {&Architecture::heads, "num_attention_heads", "n_head", "attention.head_count"},
    {&Architecture::kv_heads, "num_key_value_heads", "", "attention.head_count_kv"},
    {&Architecture::ffn, "intermediate_size", "n_inner", "feed_forward_length"},
};

constexpr TensorName kLlama[] = {
    {"token_embd", "embed_tokens"},
    {"output_norm", "norm"},
    {"output", "lm_head"},
    {"blk.#.attn_norm", "layers.#.input_layernorm"},
    {"blk.#.attn_q", "layers.#.self_attn.q_proj"},
    {"blk.#.attn_k", "layers.#.self_attn.k_proj"},
    {"blk.#.attn_v", "layers.#.self_attn.v_proj"},
    {"blk.#.attn_q_norm", "layers.#.self_attn.q_norm"},
    {"blk.#.attn_k_norm", "layers.#.self_attn.k_norm"},
    {"blk.#.attn_output", "layers.#.self_attn.o_proj"},
    {"blk.#.ffn_norm", "layers.#.post_attention_layernorm"},
    {"blk.#.ffn_gate", "layers.#.mlp.gate_proj"},
    {"blk.#.ffn_up", "layers.#.mlp.up_proj"},
    {"blk.#.ffn_down", "layers.#.mlp.down_proj"},
};

constexpr TensorName kGemma[] = {
    {"token_embd", "embed_tokens"},
    {"output_norm", "norm"},
    {"output", "lm_head"},
    {"blk.#.attn_norm", "layers.#.input_layernorm"},
    {"blk.#.attn_q", "layers.#.self_attn.q_proj"},
    {"blk.#.attn_k", "layers.#.self_attn.k_proj"},
    {"blk.#.attn_v", "layers.#.self_attn.v_proj"},
    {"blk.#.attn_q_norm", "layers.#.self_attn.q_norm"},
    {"blk.#.attn_k_norm", "layers.#.self_attn.k_norm"},
    {"blk.#.attn_output", "layers.#.self_attn.o_proj"},
    {"blk.#.post_attention_norm", "layers.#.post_attention_layernorm"},
    {"blk.#.ffn_norm", "layers.#.pre_feedforward_layernorm"},
    {"blk.#.ffn_gate", "layers.#.mlp.gate_proj"},
    {"blk.#.ffn_up", "layers.#.mlp.up_proj"},
    {"blk.#.ffn_down", "layers.#.mlp.down_proj"},
    {"blk.#.post_ffw_norm", "layers.#.post_feedforward_layernorm"},
};

constexpr TensorName kPhi3[] = {
    {"token_embd", "embed_tokens"},
    {"output_norm", "norm"},
    {"output", "lm_head"},
    {"blk.#.attn_norm", "layers.#.input_layernorm"},
    {"blk.#.attn_q", "layers.#.self_attn.qkv_proj", Part::q},
    {"blk.#.attn_k", "layers.#.self_attn.qkv_proj", Part::k},
    {"blk.#.attn_v", "layers.#.self_attn.qkv_proj", Part::v},
    {"blk.#.attn_output", "layers.#.self_attn.o_proj"},
    {"blk.#.ffn_norm", "layers.#.post_attention_layernorm"},
    {"blk.#.ffn_gate", "layers.#.mlp.gate_up_proj", Part::gate},
    {"blk.#.ffn_up", "layers.#.mlp.gate_up_proj", Part::up},
    {"blk.#.ffn_down", "layers.#.mlp.down_proj"},
};

constexpr TensorName kGpt2[] = {
    {"token_embd", "wte"},
    {"position_embd", "wpe"},
    {"output_norm", "ln_f"},
    {"output", "lm_head"},
    {"blk.#.attn_norm", "h.#.ln_1"},
    {"blk.#.attn_q", "h.#.attn.c_attn", Part::q, true},
    {"blk.#.attn_k", "h.#.attn.c_attn", Part::k, true},
    {"blk.#.attn_v", "h.#.attn.c_attn", Part::v, true},
    {"blk.#.attn_output", "h.#.attn.c_proj", Part::whole, true},
    {"blk.#.ffn_norm", "h.#.ln_2"},
    {"blk.#.ffn_up", "h.#.mlp.c_fc", Part::whole, true},
    {"blk.#.ffn_down", "h.#.mlp.c_proj", Part::whole, true},
};

constexpr TensorName kGptNeox[] = {
    {"token_embd", "embed_in"},
    {"output_norm", "final_layer_norm"},
    {"output", "embed_out"},
    {"blk.#.attn_norm", "layers.#.input_layernorm"},
    {"blk.#.attn_q", "layers.#.attention.query_key_value", Part::q},
    {"blk.#.attn_k", "layers.#.attention.query_key_value", Part::k},
    {"blk.#.attn_v", "layers.#.attention.query_key_value", Part::v},
    {"blk.#.attn_output", "layers.#.attention.dense"},
    {"blk.#.ffn_norm", "layers.#.post_attention_layernorm"},
    {"blk.#.ffn_up", "layers.#.mlp.dense_h_to_4h"},
    {"blk.#.ffn_down", "layers.#.mlp.dense_4h_to_h"},
};

FamilyInfo llama_like(Family family, std::string_view name, std::string_view hf_class) {
  FamilyInfo row{.family = family,
                 .name = name,
                 .model_type = name,
                 .hf_class = hf_class,
                 .gguf = name,
                 .hf_prefix = "model.",
                 .hf_tensors = kLlama,
                 .epsilon_key = "rms_norm_eps",
                 .activation_key = "hidden_act",
                 .defaults = {}};
  row.defaults.family = family;
  row.defaults.norm_epsilon = 1e-6;
  return row;
}

FamilyInfo llama() {
  FamilyInfo row = llama_like(Family::llama, "llama", "LlamaForCausalLM");
  row.gguf_interleaved = row.gguf_biases = true;
  return row;
}

FamilyInfo mistral() {
  FamilyInfo row = llama_like(Family::mistral, "mistral", "MistralForCausalLM");
  row.gguf = "llama";
  row.gguf_interleaved = row.gguf_biases = true;
  return row;
}

FamilyInfo qwen2() {
  FamilyInfo row = llama_like(Family::qwen2, "qwen2", "Qwen2ForCausalLM");
  row.defaults.qkv_bias = true;
  return row;
}

FamilyInfo qwen3() {
  FamilyInfo row = llama_like(Family::qwen3, "qwen3", "Qwen3ForCausalLM");
  row.defaults.qk_norm = true;
  row.defaults.head_dim = 128;
  return row;
}

FamilyInfo gemma(Family family, std::string_view name, std::string_view hf_class) {
  FamilyInfo row = llama_like(family, name, hf_class);
  row.hf_tensors = kGemma;
  row.activation_key = "hidden_activation";
  Architecture& a = row.defaults;
  a.norm = NormKind::rms_plus_one;
  a.post_norms = a.tied_embeddings = true;
  a.activation = Activation::gelu_tanh;
  a.head_dim = 256;
  a.sliding_window = 4096;
  return row;
}

FamilyInfo gemma2() {
  FamilyInfo row = gemma(Family::gemma2, "gemma2", "Gemma2ForCausalLM");
  row.defaults.attention_softcap = 50;
  row.defaults.logit_softcap = 30;
  row.defaults.sliding_pattern = 2;
  return row;
}

FamilyInfo gemma3() {
  FamilyInfo row = gemma(Family::gemma3, "gemma3", "Gemma3ForCausalLM");
  row.model_type = "gemma3_text";
  Architecture& a = row.defaults;
  a.qk_norm = true;
  a.rope_theta = 1e6;
  a.rope_theta_local = 1e4;
  a.sliding_pattern = 6;
  // The published configurations of the larger models leave out what equals their class.
  a.vocab_size = 262208;
  a.hidden = 2304;
  a.ffn = 9216;
  a.layers = 26;
  a.heads = 8;
  a.kv_heads = 4;
  a.context_length = 131072;
  return row;
}

FamilyInfo phi3() {
  FamilyInfo row = llama_like(Family::phi3, "phi3", "Phi3ForCausalLM");
  row.hf_tensors = kPhi3;
  row.gguf_fused_qkv = row.gguf_fused_ffn = true;
  row.defaults.norm_epsilon = 1e-5;
  return row;
}

FamilyInfo gpt(Family family, std::string_view name, std::string_view hf_class) {
  FamilyInfo row = llama_like(family, name, hf_class);
  row.gguf_fused_qkv = true;
  Architecture& a = row.defaults;
  a.norm = NormKind::layer;
  a.norm_epsilon = 1e-5;
  a.gated_ffn = false;
  a.qkv_bias = a.attn_output_bias = a.ffn_bias = true;
  return row;
}

FamilyInfo gpt2() {
  FamilyInfo row = gpt(Family::gpt2, "gpt2", "GPT2LMHeadModel");
  row.hf_prefix = "transformer.";
  row.hf_tensors = kGpt2;
  row.epsilon_key = "layer_norm_epsilon";
  row.activation_key = "activation_function";
  row.defaults.positions = Positions::learned;
  row.defaults.activation = Activation::gelu_tanh;
  row.defaults.tied_embeddings = true;
  return row;
}

FamilyInfo gpt_neox() {
  FamilyInfo row = gpt(Family::gpt_neox, "gptneox", "GPTNeoXForCausalLM");
  row.model_type = "gpt_neox";
  row.hf_prefix = "gpt_neox.";
  row.hf_tensors = kGptNeox;
  row.epsilon_key = "layer_norm_eps";
  row.qkv_per_head = true;
  row.defaults.activation = Activation::gelu;
  row.defaults.parallel_residual = true;
  return row;
}

const std::vector<FamilyInfo>& table() {
  static const std::vector<FamilyInfo> rows = {llama(),  mistral(), qwen2(), qwen3(),   gemma2(),
                                               gemma3(), phi3(),    gpt2(),  gpt_neox()};
  return rows;  // in enum order
}

template <typename Matches>
const FamilyInfo* find_if(Matches matches) {
  const auto found = std::ranges::find_if(table(), matches);
  return found == table().end() ? nullptr : &*found;
}

}  // namespace

std::span<const IntegerField> integer_fields() noexcept { return kIntegers; }
std::span<const FamilyInfo> families() { return table(); }
const FamilyInfo& family_info(Family family) noexcept {
  return table()[static_cast<std::size_t>(family)];
}
const FamilyInfo* find_model_type(std::string_view model_type) noexcept {
  return find_if([&](const FamilyInfo& row) { return row.model_type == model_type; });
}
const FamilyInfo* find_gguf_architecture(std::string_view name) noexcept {
  return find_if([&](const FamilyInfo& row) { return row.gguf == name; });
}

std::string known_families() {
  std::string names;
  for (const FamilyInfo& row : table()) {
    if (!names.empty()) names += ", ";
    names += row.model_type;
  }
  return names;
}

}  // namespace limbeck
