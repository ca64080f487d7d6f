// Attention on the CPU. Tokens lie packed; neighbouring rows of similar length are padded together
// into a group small enough that its scores stay in the cache between the products.
#include "limbeck/distill/attention.h"

namespace limbeck::distill {
namespace {

constexpr std::int64_t kScoreBytes = 2 << 20;  // of a group: about one core's second-level cache

struct Dims {
  std::int64_t heads, kv_heads, dim, half;  // half: rotated pairs of a head
  bool interleaved;
  float scale;
  std::int64_t window;
  const float *cos, *sin;
  std::int64_t group() const { return heads / kv_heads; }
  std::int64_t width() const { return (heads + 2 * kv_heads) * dim; }
};

// One head of one token: rotated (backwards if sign is -1) and scaled.
template <typename T>
LIMBECK_INLINE void turn(const Dims& d, const T* x, T* y, std::int64_t position, float sign,
                         float scale) {
  const float *cos = d.cos + position * d.half, *sin = d.sin + position * d.half;
  const auto half = d.half;
  if (d.interleaved) {
    for (std::int64_t i = 0; i < half; ++i) {
      const float a = load(x[2 * i]), b = load(x[2 * i + 1]), s = sign * sin[i];
      store(y[2 * i], scale * (a * cos[i] - b * s));
      store(y[2 * i + 1], scale * (b * cos[i] + a * s));
    }
  } else {
    for (std::int64_t i = 0; i < half; ++i) {
      const float a = load(x[i]), b = load(x[i + half]), s = sign * sin[i];
      store(y[i], scale * (a * cos[i] - b * s));
      store(y[i + half], scale * (b * cos[i] + a * s));
    }
  }
  for (std::int64_t i = 2 * half; i < d.dim; ++i) store(y[i], scale * load(x[i]));
}

// One row of `length` tokens into q [heads, padded, dim], k and v [kv_heads, padded, dim].
template <typename T>
LIMBECK_INLINE void pad_row(const Dims& d, const T* qkv, T* q, T* k, T* v, std::int64_t length,
                            std::int64_t padded) {
  const auto all = d.heads + 2 * d.kv_heads;
  for (std::int64_t h = 0; h < all; ++h) {
    const bool is_q = h < d.heads, is_v = h >= d.heads + d.kv_heads;
    T* to = is_q   ? q + h * padded * d.dim
            : is_v ? v + (h - d.heads - d.kv_heads) * padded * d.dim
                   : k + (h - d.heads) * padded * d.dim;
    for (std::int64_t t = 0; t < length; ++t) {
      const T* x = qkv + t * d.width() + h * d.dim;
      if (is_v) {
        for (std::int64_t i = 0; i < d.dim; ++i) to[t * d.dim + i] = x[i];
      } else {
        turn(d, x, to + t * d.dim, t, 1.0f, is_q ? d.scale : 1.0f);
      }
    }
    for (std::int64_t i = length * d.dim; i < padded * d.dim; ++i) to[i] = T{};
  }
}

// The inverse, for gradients.
template <typename T>
LIMBECK_INLINE void unpad_row(const Dims& d, T* qkv, const T* q, const T* k, const T* v,
                              std::int64_t length, std::int64_t padded) {
  const auto all = d.heads + 2 * d.kv_heads;
  for (std::int64_t h = 0; h < all; ++h) {
    const bool is_q = h < d.heads, is_v = h >= d.heads + d.kv_heads;
    const T* from = is_q   ? q + h * padded * d.dim
                    : is_v ? v + (h - d.heads - d.kv_heads) * padded * d.dim
                           : k + (h - d.heads) * padded * d.dim;
    for (std::int64_t t = 0; t < length; ++t) {
      T* x = qkv + t * d.width() + h * d.dim;
      if (is_v) {
        for (std::int64_t i = 0; i < d.dim; ++i) x[i] = from[t * d.dim + i];
      } else {
        turn(d, from + t * d.dim, x, t, -1.0f, is_q ? d.scale : 1.0f);
      }
    }
  }
}

// [tokens, heads * dim] <-> [heads, padded, dim]
template <typename T>
LIMBECK_INLINE void split_heads(const Dims& d, const T* x, T* y, std::int64_t length,
                                std::int64_t padded) {
  for (std::int64_t h = 0; h < d.heads; ++h) {
    T* to = y + h * padded * d.dim;
    for (std::int64_t t = 0; t < length; ++t) {
      for (std::int64_t i = 0; i < d.dim; ++i) to[t * d.dim + i] = x[(t * d.heads + h) * d.dim + i];
    }
    for (std::int64_t i = length * d.dim; i < padded * d.dim; ++i) to[i] = T{};
  }
}
template <typename T>
LIMBECK_INLINE void join_heads(const Dims& d, T* x, const T* y, std::int64_t length,
                               std::int64_t padded) {
  for (std::int64_t h = 0; h < d.heads; ++h) {
    const T* from = y + h * padded * d.dim;
    for (std::int64_t t = 0; t < length; ++t) {
      for (std::int64_t i = 0; i < d.dim; ++i) {
        x[(t * d.heads + h) * d.dim + i] = from[t * d.dim + i];
      }
    }
  }
}

// In place: the scores of one head and row become probabilities; zero where masked or padded.
// Whole vectors are read past a row's end and masked: short tails would cost more than the sums.
template <typename T>
LIMBECK_INLINE void softmax_head(T* scores, float* e, std::int64_t length, std::int64_t padded,
                                 std::int64_t window) {
  for (std::int64_t t = 0; t < padded; ++t) {
    T* s = scores + t * padded;
    const std::int64_t end = t < length ? t + 1 : 0;
    const std::int64_t begin = window > 0 && end > window ? end - window : 0;
    const std::int64_t wide = std::min(padded, (end + 31) / 32 * 32);
    float most = -3e38f, sum = 0;
#pragma omp simd reduction(max : most)
    for (std::int64_t j = 0; j < wide; ++j) {
      const float x = j >= begin && j < end ? load(s[j]) : -3e38f;
      e[j] = x;
      most = most > x ? most : x;
    }
#pragma omp simd reduction(+ : sum)
    for (std::int64_t j = 0; j < wide; ++j) {
      const float x = vexp(e[j] - most);
      e[j] = j >= begin && j < end ? x : 0.0f;
      sum += e[j];
    }
    const float inverse = 1.0f / sum;
    for (std::int64_t j = 0; j < wide; ++j) store(s[j], e[j] * inverse);
    for (std::int64_t j = wide; j < padded; ++j) s[j] = T{};
  }
}

// In place: dp becomes the gradient of the scores, p (dp - sum p dp).
template <typename T>
LIMBECK_INLINE void softmax_backward(const T* p, T* dp, std::int64_t padded) {
  for (std::int64_t t = 0; t < padded; ++t) {
    const T* pr = p + t * padded;
    T* dr = dp + t * padded;
    const std::int64_t wide = std::min(padded, t / 32 * 32 + 32);  // p is 0 from t + 1 on
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (std::int64_t j = 0; j < wide; ++j) dot += load(pr[j]) * load(dr[j]);
    for (std::int64_t j = 0; j < wide; ++j) store(dr[j], load(pr[j]) * (load(dr[j]) - dot));
    for (std::int64_t j = wide; j < padded; ++j) dr[j] = T{};
  }
}

#define LIMBECK_ATTENTION(T)                                                                    \
  LIMBECK_CLONES void pad_kernel(const Dims& d, const T* qkv, T* q, T* k, T* v, std::int64_t n, \
                                 std::int64_t padded) {                                         \
    pad_row(d, qkv, q, k, v, n, padded);                                                        \
  }                                                                                             \
  LIMBECK_CLONES void unpad_kernel(const Dims& d, T* qkv, const T* q, const T* k, const T* v,   \
                                   std::int64_t n, std::int64_t padded) {                       \
    unpad_row(d, qkv, q, k, v, n, padded);                                                      \
  }                                                                                             \
  LIMBECK_CLONES void split_kernel(const Dims& d, const T* x, T* y, std::int64_t n,             \
                                   std::int64_t padded) {                                       \
    split_heads(d, x, y, n, padded);                                                            \
  }                                                                                             \
  LIMBECK_CLONES void join_kernel(const Dims& d, T* x, const T* y, std::int64_t n,              \
                                  std::int64_t padded) {                                        \
    join_heads(d, x, y, n, padded);                                                             \
  }                                                                                             \
  LIMBECK_CLONES void softmax_kernel(T* scores, float* e, std::int64_t n, std::int64_t padded,  \
                                     std::int64_t window) {                                     \
    softmax_head(scores, e, n, padded, window);                                                 \
  }                                                                                             \
  LIMBECK_CLONES void softmax_backward_kernel(const T* p, T* dp, std::int64_t padded) {         \
    softmax_backward(p, dp, padded);                                                            \
  }
LIMBECK_ATTENTION(float)
LIMBECK_ATTENTION(Bf16)

// Neighbouring rows padded to one length.
struct Group {
  std::int64_t first, rows, padded;
  at::Tensor q, k, v;  // [rows * kv_heads, group * padded or padded, dim]
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
      const auto o = at::bmm(probabilities(g), g.v);
      each_row(g, [&](std::int64_t i, std::int64_t start, std::int64_t length) {
        join_kernel(d_, elements<T>(out) + start * d_.heads * d_.dim,
                    elements<T>(o) + i * d_.heads * g.padded * d_.dim, length, g.padded);
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
                     elements<T>(dout) + i * d_.heads * g.padded * d_.dim, length, g.padded);
      });
      const auto p = probabilities(g);
      const auto dv = at::bmm(p.transpose(1, 2), dout);
      const auto ds = at::bmm(dout, g.v.transpose(1, 2));
      at::parallel_for(0, g.rows * d_.heads, 1, [&](std::int64_t begin, std::int64_t end) {
        for (auto h = begin; h < end; ++h) {
          const auto at = h * g.padded * g.padded;
          softmax_backward_kernel(elements<T>(p) + at, elements<T>(ds) + at, g.padded);
        }
      });
      const auto dq = at::bmm(ds, g.k), dk = at::bmm(ds.transpose(1, 2), g.q);
      each_row(g, [&](std::int64_t i, std::int64_t start, std::int64_t length) {
        const auto kv = i * d_.kv_heads * g.padded * d_.dim;
        unpad_kernel(d_, elements<T>(dqkv) + start * d_.width(), elements<T>(dq) + kv * d_.group(),
                     elements<T>(dk) + kv, elements<T>(dv) + kv, length, g.padded);
      });
    }
    return dqkv;
  }

 private:
  // Rows from `first` while their scores fit; padded to the longest of them.
  Group make_group(std::int64_t first, const at::Tensor& qkv) const {
    Group g{first, 0, 0, {}, {}, {}};
    while (first + g.rows < packing_.rows()) {
      const auto padded = std::max(g.padded, packing_.length(first + g.rows));
      const auto bytes =
          (g.rows + 1) * d_.heads * padded * padded * static_cast<std::int64_t>(sizeof(T));
      if (g.rows > 0 && bytes > kScoreBytes) break;
      g.padded = padded;
      ++g.rows;
    }
    const auto n = g.rows * d_.kv_heads;
    g.q = at::empty({n, d_.group() * g.padded, d_.dim}, qkv.options());
    g.k = at::empty({n, g.padded, d_.dim}, qkv.options());
    g.v = at::empty_like(g.k);
    each_row(g, [&](std::int64_t i, std::int64_t start, std::int64_t length) {
      const auto kv = i * d_.kv_heads * g.padded * d_.dim;
      pad_kernel(d_, elements<T>(qkv) + start * d_.width(), elements<T>(g.q) + kv * d_.group(),
                 elements<T>(g.k) + kv, elements<T>(g.v) + kv, length, g.padded);
    });
    return g;
  }

  // [rows * kv_heads, group * padded, padded]
  at::Tensor probabilities(const Group& g) const {
    auto p = at::bmm(g.q, g.k.transpose(1, 2));
    at::parallel_for(0, g.rows * d_.heads, 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> scratch(static_cast<std::size_t>(g.padded));
      for (auto h = begin; h < end; ++h) {
        softmax_kernel(elements<T>(p) + h * g.padded * g.padded, scratch.data(),
                       packing_.length(g.first + h / d_.heads), g.padded, d_.window);
      }
    });
    return p;
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
