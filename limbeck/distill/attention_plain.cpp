// Causal attention in torch operations: every type, every device, score soft caps. Rows are padded
// to the longest and masked.
#include "limbeck/distill/attention.h"

namespace limbeck::distill {
namespace {

// x [.., length, head_dim] rotated by position.
at::Tensor rotate(const at::Tensor& x, const Rotation& rotation, std::int64_t length) {
  if (!rotation.cos.defined()) return x;
  const auto half = rotation.cos.size(1), dim = 2 * half;
  const auto cos = rotation.cos.narrow(0, 0, length).to(x.options());  // [length, half]
  const auto sin = rotation.sin.narrow(0, 0, length).to(x.options());
  const auto turned = x.narrow(-1, 0, dim), rest = x.narrow(-1, dim, x.size(-1) - dim);
  at::Tensor out;
  if (rotation.style == RopeStyle::half) {
    const auto a = turned.narrow(-1, 0, half), b = turned.narrow(-1, half, half);
    out = at::cat({a * cos - b * sin, b * cos + a * sin}, -1);
  } else {
    const auto pairs = turned.unflatten(-1, {half, 2});
    const auto a = pairs.select(-1, 0), b = pairs.select(-1, 1);
    out = at::stack({a * cos - b * sin, b * cos + a * sin}, -1).flatten(-2);
  }
  return at::cat({out, rest}, -1);
}

}  // namespace

at::Tensor plain_attention(const at::Tensor& qkv, const Packing& packing, const Rotation& rotation,
                           const AttentionSpec& spec) {
  const auto rows = packing.rows(), longest = packing.longest(), n = qkv.size(0);
  // Where each padded place finds its token (n: a row of zeros), and back.
  std::vector<std::int64_t> from(static_cast<std::size_t>(rows * longest), n), back;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t t = 0; t < packing.length(r); ++t) {
      from[static_cast<std::size_t>(r * longest + t)] =
          packing.starts[static_cast<std::size_t>(r)] + t;
      back.push_back(r * longest + t);
    }
  }
  const auto device = qkv.device();
  const auto index = at::tensor(from, at::kLong).to(device);
  const auto zero = at::zeros({1, qkv.size(1)}, qkv.options());
  const auto padded = at::cat({qkv, zero})
                          .index_select(0, index)
                          .view({rows, longest, spec.heads + 2 * spec.kv_heads, spec.head_dim});
  const auto by_head = padded.transpose(1, 2);  // [rows, heads + 2 kv, longest, dim]
  const auto group = spec.heads / spec.kv_heads;
  const auto q = rotate(by_head.narrow(1, 0, spec.heads), rotation, longest) * spec.scale;
  const auto k = rotate(by_head.narrow(1, spec.heads, spec.kv_heads), rotation, longest)
                     .repeat_interleave(group, 1);
  const auto v =
      by_head.narrow(1, spec.heads + spec.kv_heads, spec.kv_heads).repeat_interleave(group, 1);
  auto scores = at::matmul(q, k.transpose(2, 3));  // [rows, heads, longest, longest]
  if (spec.softcap > 0) scores = at::tanh(scores / spec.softcap) * spec.softcap;
  const auto place = at::arange(longest, at::dtype(at::kLong).device(device));
  const auto distance = place.unsqueeze(1) - place.unsqueeze(0);
  auto hidden = distance < 0;
  if (spec.window > 0) hidden = hidden.logical_or(distance >= spec.window);
  const auto p = at::softmax(scores.masked_fill(hidden, -1e30), -1);
  const auto out = at::matmul(p, v).transpose(1, 2).reshape({rows * longest, -1});
  return out.index_select(0, at::tensor(back, at::kLong).to(device));
}

}  // namespace limbeck::distill
