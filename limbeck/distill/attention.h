// The two implementations behind `attention` of ops.h.
#pragma once

#include "limbeck/distill/ops.h"

namespace limbeck::distill {

// Any type and device; the definition that the other is tested against.
at::Tensor plain_attention(const at::Tensor& qkv, const Packing& packing, const Rotation& rotation,
                           const AttentionSpec& spec);

// CPU, float or bfloat16, no soft cap: rows in groups whose scores stay in the cache, scores
// recomputed backward.
at::Tensor grouped_attention(const at::Tensor& qkv, const Packing& packing,
                             const Rotation& rotation, const AttentionSpec& spec);

}  // namespace limbeck::distill
