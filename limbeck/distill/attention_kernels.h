// Attention's loops on the CPU between its matrix products: rows of packed tokens to padded heads
// and back, and the softmax of a block of scores. Included by ops_attention.cpp alone.
#pragma once

#include "limbeck/distill/attention.h"

namespace limbeck::distill {
namespace {

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

// Where a row's queries lie: the heads that share a key head side by side, block of positions by
// block, so that a block's queries are one matrix.
struct Places {
  std::int64_t padded, block;  // positions of a row, and of a block (the last may be shorter)
  std::int64_t height(std::int64_t first) const { return std::min(block, padded - first); }
  // Of head h at the first position of a block, in vectors of a head.
  std::int64_t of(const Dims& d, std::int64_t h, std::int64_t first) const {
    return h / d.group() * d.group() * padded + d.group() * first + h % d.group() * height(first);
  }
  // f(position, place) for every position of a head.
  template <typename F>
  LIMBECK_INLINE void each(const Dims& d, std::int64_t h, F&& f) const {
    for (std::int64_t first = 0; first < padded; first += block) {
      const auto at = of(d, h, first), end = first + height(first);
      for (auto t = first; t < end; ++t) f(t, at + t - first);
    }
  }
};

// One row of `length` tokens into q (Places), k and v [kv_heads, padded, dim]; zeros behind it.
template <typename T>
LIMBECK_INLINE void pad_row(const Dims& d, const T* qkv, T* q, T* k, T* v, std::int64_t length,
                            const Places& places) {
  const auto zero = [&](T* to) {
    for (std::int64_t i = 0; i < d.dim; ++i) to[i] = T{};
  };
  for (std::int64_t h = 0; h < d.heads; ++h) {
    places.each(d, h, [&](std::int64_t t, std::int64_t place) {
      if (t >= length) return zero(q + place * d.dim);
      turn(d, qkv + t * d.width() + h * d.dim, q + place * d.dim, t, 1.0f, d.scale);
    });
  }
  for (std::int64_t h = 0; h < d.kv_heads; ++h) {
    for (std::int64_t t = 0; t < places.padded; ++t) {
      T *key = k + (h * places.padded + t) * d.dim, *value = v + (h * places.padded + t) * d.dim;
      if (t >= length) {
        zero(key);
        zero(value);
        continue;
      }
      const T* x = qkv + t * d.width() + (d.heads + h) * d.dim;
      turn(d, x, key, t, 1.0f, 1.0f);
      for (std::int64_t i = 0; i < d.dim; ++i) value[i] = x[d.kv_heads * d.dim + i];
    }
  }
}

// The inverse, for gradients.
template <typename T>
LIMBECK_INLINE void unpad_row(const Dims& d, T* qkv, const T* q, const T* k, const T* v,
                              std::int64_t length, const Places& places) {
  for (std::int64_t h = 0; h < d.heads; ++h) {
    places.each(d, h, [&](std::int64_t t, std::int64_t place) {
      if (t >= length) return;
      turn(d, q + place * d.dim, qkv + t * d.width() + h * d.dim, t, -1.0f, d.scale);
    });
  }
  for (std::int64_t h = 0; h < d.kv_heads; ++h) {
    for (std::int64_t t = 0; t < length; ++t) {
      T* x = qkv + t * d.width() + (d.heads + h) * d.dim;
      turn(d, k + (h * places.padded + t) * d.dim, x, t, -1.0f, 1.0f);
      const T* value = v + (h * places.padded + t) * d.dim;
      for (std::int64_t i = 0; i < d.dim; ++i) x[d.kv_heads * d.dim + i] = value[i];
    }
  }
}

// [tokens, heads * dim] <-> as the queries lie
template <typename T>
LIMBECK_INLINE void split_heads(const Dims& d, const T* x, T* y, std::int64_t length,
                                const Places& places) {
  for (std::int64_t h = 0; h < d.heads; ++h) {
    places.each(d, h, [&](std::int64_t t, std::int64_t place) {
      for (std::int64_t i = 0; i < d.dim; ++i)
        y[place * d.dim + i] = t < length ? x[(t * d.heads + h) * d.dim + i] : T{};
    });
  }
}
template <typename T>
LIMBECK_INLINE void join_heads(const Dims& d, T* x, const T* y, std::int64_t length,
                               const Places& places) {
  for (std::int64_t h = 0; h < d.heads; ++h) {
    places.each(d, h, [&](std::int64_t t, std::int64_t place) {
      if (t >= length) return;
      for (std::int64_t i = 0; i < d.dim; ++i)
        x[(t * d.heads + h) * d.dim + i] = y[place * d.dim + i];
    });
  }
}

// A head's block of scores: those of the positions [first, first + rows) with keys [0, keys).
struct ScoreBlock {
  std::int64_t first, rows, keys;
};

// In place: a block of scores becomes probabilities; zero where masked or padded. Whole vectors are
// read past a row's end and masked: short tails would cost more than the sums.
template <typename T>
LIMBECK_INLINE void softmax_block(T* scores, float* e, const ScoreBlock& block, std::int64_t length,
                                  std::int64_t window) {
  for (std::int64_t r = 0; r < block.rows; ++r) {
    T* s = scores + r * block.keys;
    const std::int64_t t = block.first + r, end = t < length ? t + 1 : 0;
    const std::int64_t begin = window > 0 && end > window ? end - window : 0;
    const std::int64_t wide = std::min(block.keys, (end + 31) / 32 * 32);
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
    for (std::int64_t j = wide; j < block.keys; ++j) s[j] = T{};
  }
}

// In place: dp becomes the gradient of the scores, p (dp - sum p dp).
template <typename T>
LIMBECK_INLINE void softmax_backward(const T* p, T* dp, const ScoreBlock& block) {
  for (std::int64_t r = 0; r < block.rows; ++r) {
    const T* pr = p + r * block.keys;
    T* dr = dp + r * block.keys;
    // p is 0 behind the row's own position
    const std::int64_t wide = std::min(block.keys, (block.first + r) / 32 * 32 + 32);
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (std::int64_t j = 0; j < wide; ++j) dot += load(pr[j]) * load(dr[j]);
    for (std::int64_t j = 0; j < wide; ++j) store(dr[j], load(pr[j]) * (load(dr[j]) - dot));
    for (std::int64_t j = wide; j < block.keys; ++j) dr[j] = T{};
  }
}

#define LIMBECK_ATTENTION(T)                                                                       \
  LIMBECK_CLONES void pad_kernel(const Dims& d, const T* qkv, T* q, T* k, T* v, std::int64_t n,    \
                                 const Places& places) {                                           \
    pad_row(d, qkv, q, k, v, n, places);                                                           \
  }                                                                                                \
  LIMBECK_CLONES void unpad_kernel(const Dims& d, T* qkv, const T* q, const T* k, const T* v,      \
                                   std::int64_t n, const Places& places) {                         \
    unpad_row(d, qkv, q, k, v, n, places);                                                         \
  }                                                                                                \
  LIMBECK_CLONES void split_kernel(const Dims& d, const T* x, T* y, std::int64_t n,                \
                                   const Places& places) {                                         \
    split_heads(d, x, y, n, places);                                                               \
  }                                                                                                \
  LIMBECK_CLONES void join_kernel(const Dims& d, T* x, const T* y, std::int64_t n,                 \
                                  const Places& places) {                                          \
    join_heads(d, x, y, n, places);                                                                \
  }                                                                                                \
  LIMBECK_CLONES void softmax_kernel(T* scores, float* e, const ScoreBlock& block, std::int64_t n, \
                                     std::int64_t window) {                                        \
    softmax_block(scores, e, block, n, window);                                                    \
  }                                                                                                \
  LIMBECK_CLONES void softmax_backward_kernel(const T* p, T* dp, const ScoreBlock& block) {        \
    softmax_backward(p, dp, block);                                                                \
  }
LIMBECK_ATTENTION(float)
LIMBECK_ATTENTION(Bf16)
#undef LIMBECK_ATTENTION

}  // namespace
}  // namespace limbeck::distill
