// Attention on the CPU. Tokens lie packed; neighbouring rows of similar length are padded together
// into a group, and long rows are taken by blocks of queries with the keys up to them alone: small
// enough that scores stay in the cache between the products.
#include <array>

#include "limbeck/distill/attention_kernels.h"

namespace limbeck::distill {
namespace {

constexpr std::int64_t kScoreBytes = 2 << 20;  // of a block: about one core's second-level cache
constexpr std::int64_t kBlock = 128;           // queries; rows up to half as long again are one
constexpr std::int64_t kRounded = 32;          // lengths of rows of several blocks

// Neighbouring rows padded to one length.
struct Group {
  std::int64_t first, rows;
  Places places;
  at::Tensor q, k, v;  // [rows * kv_heads, group * padded (Places) or padded, dim]
};

template <typename T>
class Attention {
 public:
  Attention(const Packing& packing, const Rotation& rotation, const AttentionSpec& spec)
      : packing_(packing), rotation_(rotation) {
    const bool turned = rotation.cos.defined();
    d_ = {spec.heads,
          spec.kv_heads,
          spec.head_dim,
          turned ? rotation.cos.size(1) : 0,
          rotation.style == RopeStyle::interleaved,
          static_cast<float>(spec.scale),
          spec.window,
          turned ? elements<float>(rotation.cos) : nullptr,
          turned ? elements<float>(rotation.sin) : nullptr};
  }

  at::Tensor forward(const at::Tensor& qkv) {
    const auto out = at::empty({qkv.size(0), d_.heads * d_.dim}, qkv.options());
    for (std::int64_t first = 0; first < packing_.rows();) {
      Group g = make_group(first, qkv);
      first += g.rows;
      const auto o = g.places.block < g.places.padded ? at::empty_like(g.q) : at::Tensor();
      at::Tensor whole;
      each_block(g, [&](const ScoreBlock& block) {
        const auto part = at::bmm(probabilities(g, block), keys(g.v, block));
        if (o.defined()) {
          queries(o, block).copy_(part);
        } else {
          whole = part;
        }
      });
      const auto& heads = o.defined() ? o : whole;
      each_row(g, [&](std::int64_t i, std::int64_t start, std::int64_t length) {
        join_kernel(d_, elements<T>(out) + start * d_.heads * d_.dim,
                    elements<T>(heads) + i * d_.heads * g.places.padded * d_.dim, length, g.places);
      });
      groups_.push_back(std::move(g));
    }
    return out;
  }

  at::Tensor backward(const at::Tensor& gradient) const {
    const auto dqkv = at::empty({gradient.size(0), d_.width()}, gradient.options());
    for (const Group& g : groups_) {
      const auto dout = at::empty_like(g.q);
      each_row(g, [&](std::int64_t i, std::int64_t start, std::int64_t length) {
        split_kernel(d_, elements<T>(gradient) + start * d_.heads * d_.dim,
                     elements<T>(dout) + i * d_.heads * g.places.padded * d_.dim, length, g.places);
      });
      const auto [dq, dk, dv] = of_heads(g, dout);
      each_row(g, [&](std::int64_t i, std::int64_t start, std::int64_t length) {
        const auto kv = i * d_.kv_heads * g.places.padded * d_.dim;
        unpad_kernel(d_, elements<T>(dqkv) + start * d_.width(), elements<T>(dq) + kv * d_.group(),
                     elements<T>(dk) + kv, elements<T>(dv) + kv, length, g.places);
      });
    }
    return dqkv;
  }

 private:
  // Gradients of q, k and v. Several blocks' parts of k and v are summed in float32.
  std::array<at::Tensor, 3> of_heads(const Group& g, const at::Tensor& dout) const {
    if (g.places.block >= g.places.padded)
      return of_block(g, dout, {0, g.places.padded, g.places.padded});
    const auto wide = g.k.options().dtype(at::kFloat);
    auto dq = at::empty_like(g.q), dk = at::zeros(g.k.sizes(), wide), dv = at::zeros_like(dk);
    each_block(g, [&](const ScoreBlock& block) {
      const auto part = of_block(g, dout, block);
      queries(dq, block).copy_(part[0]);
      keys(dk, block).add_(part[1]);
      keys(dv, block).add_(part[2]);
    });
    return {dq, dk.to(g.k.scalar_type()), dv.to(g.k.scalar_type())};
  }

  std::array<at::Tensor, 3> of_block(const Group& g, const at::Tensor& dout,
                                     const ScoreBlock& block) const {
    const auto q = queries(g.q, block), k = keys(g.k, block), v = keys(g.v, block),
               gradient = queries(dout, block), p = probabilities(g, block);
    auto dv = at::bmm(p.transpose(1, 2), gradient);
    const auto ds = at::bmm(gradient, v.transpose(1, 2));
    at::parallel_for(0, g.rows * d_.heads, 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto h = begin; h < end; ++h) {
        const auto at = h * block.rows * block.keys;
        softmax_backward_kernel(elements<T>(p) + at, elements<T>(ds) + at, block);
      }
    });
    return {at::bmm(ds, k), at::bmm(ds.transpose(1, 2), q), std::move(dv)};
  }

  static std::int64_t block_of(std::int64_t padded) {
    return padded <= kBlock * 3 / 2 ? padded : kBlock;
  }

  // Rows from `first` while their scores fit; padded to the longest of them.
  Group make_group(std::int64_t first, const at::Tensor& qkv) const {
    Group g{first, 0, {}, {}, {}, {}};
    while (first + g.rows < packing_.rows()) {
      auto padded = std::max(g.places.padded, packing_.length(first + g.rows));
      // Few different lengths: a product of a new shape costs the time to make its kernel.
      if (block_of(padded) < padded) padded = (padded + kRounded - 1) / kRounded * kRounded;
      const auto bytes = (g.rows + 1) * d_.heads * block_of(padded) * padded *
                         static_cast<std::int64_t>(sizeof(T));
      if (g.rows > 0 && bytes > kScoreBytes) break;
      g.places = {padded, block_of(padded)};
      ++g.rows;
    }
    const auto n = g.rows * d_.kv_heads, padded = g.places.padded;
    g.q = at::empty({n, d_.group() * padded, d_.dim}, qkv.options());
    g.k = at::empty({n, padded, d_.dim}, qkv.options());
    g.v = at::empty_like(g.k);
    each_row(g, [&](std::int64_t i, std::int64_t start, std::int64_t length) {
      const auto kv = i * d_.kv_heads * padded * d_.dim;
      pad_kernel(d_, elements<T>(qkv) + start * d_.width(), elements<T>(g.q) + kv * d_.group(),
                 elements<T>(g.k) + kv, elements<T>(g.v) + kv, length, g.places);
    });
    return g;
  }

  // A block's part of what lies as the queries do, and of what lies as the keys do.
  at::Tensor queries(const at::Tensor& x, const ScoreBlock& block) const {
    return x.narrow(1, d_.group() * block.first, d_.group() * block.rows);
  }
  static at::Tensor keys(const at::Tensor& x, const ScoreBlock& block) {
    return x.narrow(1, 0, block.keys);
  }

  // [rows * kv_heads, group * block.rows, block.keys]
  at::Tensor probabilities(const Group& g, const ScoreBlock& block) const {
    auto p = at::bmm(queries(g.q, block), keys(g.k, block).transpose(1, 2));
    at::parallel_for(0, g.rows * d_.heads, 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> scratch(static_cast<std::size_t>(block.keys));
      for (auto h = begin; h < end; ++h) {
        softmax_kernel(elements<T>(p) + h * block.rows * block.keys, scratch.data(), block,
                       packing_.length(g.first + h / d_.heads), d_.window);
      }
    });
    return p;
  }

  // f(block): what comes after its last position is no key of it.
  template <typename F>
  static void each_block(const Group& g, F&& f) {
    for (std::int64_t first = 0; first < g.places.padded; first += g.places.block) {
      const auto rows = g.places.height(first);
      f(ScoreBlock{first, rows, first + rows});
    }
  }

  // f(row of the group, first token, tokens)
  template <typename F>
  void each_row(const Group& g, F&& f) const {
    at::parallel_for(0, g.rows, 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = begin; i < end; ++i) {
        f(i, packing_.starts[static_cast<std::size_t>(g.first + i)], packing_.length(g.first + i));
      }
    });
  }

  Packing packing_;
  Rotation rotation_;
  Dims d_;
  std::vector<Group> groups_;
};

template <typename T>
at::Tensor run(const at::Tensor& qkv, const Packing& packing, const Rotation& rotation,
               const AttentionSpec& spec) {
  const auto state = std::make_shared<Attention<T>>(packing, rotation, spec);
  at::Tensor out;
  {
    at::NoGradGuard no_grad;
    out = state->forward(qkv.detach().contiguous());
  }
  differentiable({out}, {qkv}, [state](const Gradients& g) {
    return Gradients{state->backward(g[0].contiguous())};
  });
  return out;
}

}  // namespace

at::Tensor grouped_attention(const at::Tensor& qkv, const Packing& packing,
                             const Rotation& rotation, const AttentionSpec& spec) {
  return qkv.scalar_type() == at::kFloat ? run<float>(qkv, packing, rotation, spec)
                                         : run<Bf16>(qkv, packing, rotation, spec);
}

at::Tensor attention(const at::Tensor& qkv, const Packing& packing, const Rotation& rotation,
                     const AttentionSpec& spec) {
  const auto type = qkv.scalar_type();
  if (spec.softcap != 0) return plain_attention(qkv, packing, rotation, spec);
  if (on_cpu(qkv)) {
    return type == at::kFloat || type == at::kBFloat16
               ? grouped_attention(qkv, packing, rotation, spec)
               : plain_attention(qkv, packing, rotation, spec);
  }
  const bool slides = spec.window > 0 && packing.longest() > spec.window;
  return slides ? plain_attention(qkv, packing, rotation, spec)
                : fused_attention(qkv, packing, rotation, spec);
}

}  // namespace limbeck::distill
