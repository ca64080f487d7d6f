// Element types of stored tensors, plain and block-quantized, and the one table that names them.
// GGUF ids and block sizes: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace limbeck {

using Shape = std::vector<std::int64_t>;  // row-major, outermost first; empty is a scalar

enum class TensorType : std::uint8_t {
  f32,
  f16,
  bf16,
  f64,
  i64,
  i32,
  i16,
  i8,
  u8,
  boolean,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
  iq3_s,
  iq3_xxs,
  iq2_s,
  iq2_xs,
  iq2_xxs,
  tq1_0,
  tq2_0,
  mxfp4,
};

struct TensorTypeInfo {
  TensorType type;
  std::string_view name;         // lower case, as on the command line and in JSON: "q4_k"
  std::string_view safetensors;  // as in .safetensors headers; empty: not storable there
  int gguf_id;                   // GGUF tensor type; -1: not storable there
  std::size_t block_weights;     // weights in a block; 1 for plain types
  std::size_t block_bytes;       // bytes of a block
};

const TensorTypeInfo& info(TensorType type) noexcept;
std::span<const TensorTypeInfo> tensor_types() noexcept;  // in enum order

// nullptr if there is none of this name (any case) or id.
const TensorTypeInfo* find_tensor_type(std::string_view name) noexcept;
const TensorTypeInfo* find_safetensors_type(std::string_view name) noexcept;
const TensorTypeInfo* find_gguf_type(std::int64_t id) noexcept;

inline bool is_quantized(TensorType type) noexcept { return info(type).block_weights > 1; }

// Bytes of one row of `columns` weights. Throws Error{format} if `columns` is negative or no
// multiple of the block.
std::size_t row_bytes(TensorType type, std::int64_t columns);

}  // namespace limbeck
