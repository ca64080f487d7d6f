// Named mixes: which type each tensor of a model gets under a name such as q4_k_m, and what stands
// in where a row does not divide into blocks. The rules are llama.cpp's (facts of
// llama_tensor_get_type in its src/llama-quant.cpp), so a file of ours has the size users expect.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/tensor_type.h"
#include "limbeck/model/architecture.h"

namespace limbeck {

struct Mix {
  std::string_view name;  // "q4_k_m"; a bare "q4_k" means the mix of that size
  TensorType base;        // of the tensors that no rule lifts or lowers
  int file_type;          // general.file_type
};

std::span<const Mix> mixes() noexcept;
// By name in any case. Throws Error{usage} with the nearest name.
const Mix& find_mix(std::string_view name);

// What a tensor does in the model, by its canonical name.
enum class Role : std::uint8_t {
  other,  // norms, biases, position embeddings: stored as f32
  embedding,
  output,
  attn_q,
  attn_k,
  attn_v,
  attn_output,
  ffn_gate,
  ffn_up,
  ffn_down,
};
struct TensorRole {
  Role role = Role::other;
  std::int64_t layer = -1;  // -1: of the whole model
};
TensorRole role_of(std::string_view name);

// The type of a weight matrix with rows of `columns`. Tied embeddings count as output; parts that a
// GGUF file stores fused get one type. f32 for Role::other.
TensorType type_in_mix(const Mix& mix, const Architecture& architecture, std::string_view name,
                       std::int64_t columns, bool has_importance);

// `type`, or what replaces it where rows of `columns` weights do not divide into its blocks.
TensorType type_for_columns(TensorType type, std::int64_t columns) noexcept;

}  // namespace limbeck
