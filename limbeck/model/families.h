// One row per family: what its configuration files call things, how its weights are named and laid
// out in Hugging Face folders and in GGUF files, and the defaults of its configuration class.
// Sources: transformers' configuration_*.py and modeling_*.py; the GGUF specification's
// "standardized key-value pairs" and "standardized tensor names" (ggml docs/gguf.md).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "limbeck/model/architecture.h"

namespace limbeck {

// Which part of a fused tensor a canonical tensor is. Parts lie one after another along the output
// rows (q, k, v; gate, up), except in qkv_per_head, where each head has its q, k and v rows.
enum class Part : std::uint8_t { whole, q, k, v, gate, up };

struct TensorName {
  std::string_view canonical;  // "blk.#.attn_q", without ".weight"; # is the layer
  std::string_view stored;     // "layers.#.self_attn.q_proj"
  Part part = Part::whole;
  bool transposed = false;  // weights are stored [in, out] (GPT-2's Conv1D)
};

// A dimension and what it is called: config.json (as most families do), config.json of GPT-2, GGUF.
struct IntegerField {
  std::int64_t Architecture::*member;
  std::string_view config, gpt2_config, gguf;  // empty: not stored there under one name
};
std::span<const IntegerField> integer_fields() noexcept;

struct FamilyInfo {
  Family family;
  std::string_view name;        // ours
  std::string_view model_type;  // config.json
  std::string_view hf_class;    // config.json "architectures"
  std::string_view gguf;        // general.architecture
  std::string_view hf_prefix;   // of every tensor but the output; base models may lack it
  std::span<const TensorName> hf_tensors;
  std::string_view epsilon_key, activation_key;  // config.json
  bool qkv_per_head = false;                     // Hugging Face's fused tensor
  bool gguf_fused_qkv = false, gguf_fused_ffn = false;
  bool gguf_interleaved = false;  // q and k rows are permuted for RopeStyle::interleaved
  bool gguf_biases = false;       // llama.cpp takes optional biases for it
  Architecture defaults;          // what the family fixes, and the defaults of its config class
};

std::span<const FamilyInfo> families();
const FamilyInfo& family_info(Family family) noexcept;
// nullptr if unknown. GGUF's "llama" is Family::llama.
const FamilyInfo* find_model_type(std::string_view model_type) noexcept;
const FamilyInfo* find_gguf_architecture(std::string_view name) noexcept;
std::string known_families();  // "llama, mistral, ..." for error messages

}  // namespace limbeck
