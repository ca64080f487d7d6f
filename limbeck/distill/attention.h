// The implementations behind `attention` of ops.h, and what they share.
#pragma once

#include "limbeck/distill/ops.h"

namespace limbeck::distill {

// Any type and device; the definition that the others are tested against.
at::Tensor plain_attention(const at::Tensor& qkv, const Packing& packing, const Rotation& rotation,
                           const AttentionSpec& spec);

// CPU, float or bfloat16, no soft cap: rows in groups whose scores stay in the cache, scores
// recomputed backward.
at::Tensor grouped_attention(const at::Tensor& qkv, const Packing& packing,
                             const Rotation& rotation, const AttentionSpec& spec);

// Any type and device, no soft cap, rows no longer than the window. Plain where torch has no such
// kernel (before 2.1).
bool has_fused_attention() noexcept;
at::Tensor fused_attention(const at::Tensor& qkv, const Packing& packing, const Rotation& rotation,
                           const AttentionSpec& spec);

// x [n, width] -> [rows, longest, width], zeros behind each row's tokens; and back.
at::Tensor pad_rows(const at::Tensor& x, const Packing& packing);
at::Tensor unpad_rows(const at::Tensor& padded, const Packing& packing);

// x [.., length, head_dim] rotated by position.
at::Tensor rotate(const at::Tensor& x, const Rotation& rotation, std::int64_t length);

}  // namespace limbeck::distill
