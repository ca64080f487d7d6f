// Attention by torch's own fused kernel (flash attention where the device has it): what GPUs use.
#include <torch/version.h>

#include "limbeck/distill/attention.h"

namespace limbeck::distill {

// scaled_dot_product_attention came with 2.0, its `scale` with 2.1.
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 1)

bool has_fused_attention() noexcept { return true; }

at::Tensor fused_attention(const at::Tensor& qkv, const Packing& packing, const Rotation& rotation,
                           const AttentionSpec& spec) {
  const auto all = spec.heads + 2 * spec.kv_heads;
  const auto by_head = pad_rows(qkv, packing)
                           .unflatten(-1, {all, spec.head_dim})
                           .transpose(1, 2);  // [rows, heads + 2 kv, longest, dim]
  const auto longest = packing.longest(), group = spec.heads / spec.kv_heads;
  const auto q = rotate(by_head.narrow(1, 0, spec.heads), rotation, longest);
  const auto k = rotate(by_head.narrow(1, spec.heads, spec.kv_heads), rotation, longest)
                     .repeat_interleave(group, 1);
  const auto v =
      by_head.narrow(1, spec.heads + spec.kv_heads, spec.kv_heads).repeat_interleave(group, 1);
  // Padding stands behind a row's tokens, where causality already hides it from them.
  const auto out = at::scaled_dot_product_attention(q, k, v, {}, 0.0, true, spec.scale);
  return unpad_rows(out.transpose(1, 2).flatten(2), packing);
}

#else

bool has_fused_attention() noexcept { return false; }

at::Tensor fused_attention(const at::Tensor& qkv, const Packing& packing, const Rotation& rotation,
                           const AttentionSpec& spec) {
  return plain_attention(qkv, packing, rotation, spec);
}

#endif

}  // namespace limbeck::distill
