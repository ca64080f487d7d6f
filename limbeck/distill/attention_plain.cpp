// Causal attention in torch operations: every type, every device, score soft caps. Rows are padded
// to the longest and masked.
#include "limbeck/distill/attention.h"

namespace limbeck::distill {
namespace {

// Where each padded place finds its token (n: a row of zeros), and where each token stands.
const PaddedPlaces& places(const Packing& packing, at::Device device) {
  if (packing.places && packing.places->from.device() == device) return *packing.places;
  const auto rows = packing.rows(), longest = packing.longest(), n = packing.starts.back();
  std::vector<std::int64_t> from(static_cast<std::size_t>(rows * longest), n), back;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t t = 0; t < packing.length(r); ++t) {
      from[static_cast<std::size_t>(r * longest + t)] =
          packing.starts[static_cast<std::size_t>(r)] + t;
      back.push_back(r * longest + t);
    }
  }
  packing.places = std::make_shared<PaddedPlaces>(
      PaddedPlaces{at::tensor(from, at::kLong).to(device), at::tensor(back, at::kLong).to(device)});
  return *packing.places;
}

bool all_equal(const Packing& packing) {
  return packing.rows() * packing.longest() == packing.starts.back();
}

}  // namespace

at::Tensor pad_rows(const at::Tensor& x, const Packing& packing) {
  const auto rows = packing.rows(), longest = packing.longest();
  if (all_equal(packing)) return x.view({rows, longest, -1});
  const auto zero = at::zeros({1, x.size(1)}, x.options());
  return at::cat({x, zero})
      .index_select(0, places(packing, x.device()).from)
      .view({rows, longest, -1});
}

at::Tensor unpad_rows(const at::Tensor& padded, const Packing& packing) {
  const auto flat = padded.reshape({packing.rows() * packing.longest(), -1});
  return all_equal(packing) ? flat : flat.index_select(0, places(packing, flat.device()).back);
}

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
  return rest.size(-1) > 0 ? at::cat({out, rest}, -1) : out;
}

at::Tensor plain_attention(const at::Tensor& qkv, const Packing& packing, const Rotation& rotation,
                           const AttentionSpec& spec) {
  const auto longest = packing.longest();
  const auto by_head = pad_rows(qkv, packing)
                           .unflatten(-1, {spec.heads + 2 * spec.kv_heads, spec.head_dim})
                           .transpose(1, 2);  // [rows, heads + 2 kv, longest, dim]
  const auto group = spec.heads / spec.kv_heads;
  const auto q = rotate(by_head.narrow(1, 0, spec.heads), rotation, longest) * spec.scale;
  const auto k = rotate(by_head.narrow(1, spec.heads, spec.kv_heads), rotation, longest)
                     .repeat_interleave(group, 1);
  const auto v =
      by_head.narrow(1, spec.heads + spec.kv_heads, spec.kv_heads).repeat_interleave(group, 1);
  auto scores = at::matmul(q, k.transpose(2, 3));  // [rows, heads, longest, longest]
  if (spec.softcap > 0) scores = at::tanh(scores / spec.softcap) * spec.softcap;
  const auto place = at::arange(longest, at::dtype(at::kLong).device(qkv.device()));
  const auto distance = place.unsqueeze(1) - place.unsqueeze(0);
  auto hidden = distance < 0;
  if (spec.window > 0) hidden = hidden.logical_or(distance >= spec.window);
  const auto p = at::softmax(scores.masked_fill(hidden, -1e30), -1);
  return unpad_rows(at::matmul(p, v).transpose(1, 2).flatten(2), packing);
}

}  // namespace limbeck::distill
