#include "limbeck/runtime/attention.h"

#include <algorithm>
#include <vector>

#include "limbeck/runtime/parallel.h"

namespace limbeck {
namespace {

constexpr std::size_t kQueries = 16;  // of a sequence, that share a pass over the keys

// Items [first, first + n) of the batch: consecutive positions of one sequence.
struct Piece {
  std::size_t first, n;
};

std::vector<Piece> pieces_of(std::span<const Place> places) {
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (i > 0 && pieces.back().n < kQueries && places[i].sequence == places[i - 1].sequence &&
        places[i].position == places[i - 1].position + 1) {
      ++pieces.back().n;
    } else {
      pieces.push_back({i, 1});
    }
  }
  return pieces;
}

std::size_t first_seen(const AttentionShape& shape, std::size_t position) noexcept {
  return shape.window > 0 && position >= shape.window ? position - shape.window + 1 : 0;
}

struct Scratch {
  std::vector<float> queries, scores, sums;
};

void attend_piece(const KernelTable& kernels, const AttentionShape& shape, Cache& cache,
                  std::size_t layer, std::span<const Place> places, std::size_t head,
                  const float* q, float* out, Scratch& scratch) {
  const std::size_t group = shape.heads / shape.kv_heads, dim = shape.head_dim;
  const std::size_t n = places.size() * group, row = shape.heads * dim;
  const std::size_t low = first_seen(shape, places.front().position);
  const std::size_t n_keys = places.back().position + 1 - low;
  const std::size_t sequence = places.front().sequence;
  scratch.queries.resize(n * dim);
  scratch.scores.resize(n * n_keys);
  scratch.sums.resize(n * dim);
  for (std::size_t t = 0; t < places.size(); ++t) {
    const float* from = q + t * row + head * group * dim;
    float* to = scratch.queries.data() + t * group * dim;
    for (std::size_t i = 0; i < group * dim; ++i) to[i] = from[i] * shape.scale;
  }
  const float* keys = cache.keys(layer, sequence, head) + low * dim;
  const PlainRows rows{TensorType::f32, reinterpret_cast<const std::byte*>(keys), dim,
                       dim * sizeof(float)};
  kernels.matmul_plain(rows, n_keys, scratch.queries.data(), dim, n,
                       {scratch.scores.data(), n_keys});
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t position = places[i / group].position;
    const std::size_t begin = first_seen(shape, position) - low, end = position + 1 - low;
    float* scores = scratch.scores.data() + i * n_keys;
    if (shape.soft_cap > 0) kernels.soft_cap(scores + begin, end - begin, shape.soft_cap);
    kernels.softmax(scores + begin, end - begin);
    std::fill(scores, scores + begin, 0.0f);
    std::fill(scores + end, scores + n_keys, 0.0f);
  }
  kernels.weighted_sum(scratch.scores.data(), n_keys, n,
                       cache.values(layer, sequence, head) + low * dim, n_keys, dim,
                       {scratch.sums.data(), dim});
  for (std::size_t t = 0; t < places.size(); ++t) {
    std::copy_n(scratch.sums.data() + t * group * dim, group * dim,
                out + t * row + head * group * dim);
  }
}

}  // namespace

void attend(ThreadPool& pool, const KernelTable& kernels, const AttentionShape& shape, Cache& cache,
            std::size_t layer, std::span<const Place> places, const float* q, float* out) {
  const auto pieces = pieces_of(places);
  const std::size_t row = shape.heads * shape.head_dim;
  std::size_t work = 0;
  for (const Place& place : places) work += (place.position + 1) * row;
  run_if_worth(pool, pieces.size() * shape.kv_heads, work, [&](std::size_t task) {
    thread_local Scratch scratch;
    const Piece& piece = pieces[task / shape.kv_heads];
    attend_piece(kernels, shape, cache, layer, places.subspan(piece.first, piece.n),
                 task % shape.kv_heads, q + piece.first * row, out + piece.first * row, scratch);
  });
}

}  // namespace limbeck
