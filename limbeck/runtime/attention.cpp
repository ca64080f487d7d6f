#include "limbeck/runtime/attention.h"

#include <algorithm>
#include <vector>

#include "limbeck/runtime/parallel.h"

namespace limbeck {
namespace {

constexpr std::size_t kQueries = 16;  // of a sequence, that share a pass over the keys
// Positions whose scores are made, exponentiated and summed before the next are looked at: they
// stay in the near caches however long the sequence is. Counted from position 0, so that the cut
// is the same whatever else is in the batch.
constexpr std::size_t kPiece = 4 * Cache::kBlock;

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

// The queries of a piece and one key head: query i is of place i / group.
struct Queries {
  std::vector<float> queries, scores, sums;  // [n, dim], [n, kPiece], [n, dim]
  std::vector<float> top, total;             // [n], of the softmax so far
  std::vector<float> decoded;                // of a quantized cache
};

// Scores of all queries with the positions [first, end), first a multiple of the block.
void make_scores(const KernelTable& kernels, const Cache& cache, std::size_t layer,
                 std::size_t sequence, std::size_t head, std::size_t first, std::size_t end,
                 std::size_t n, std::size_t dim, Queries& q) {
  for (std::size_t p = first; p < end; p += Cache::kBlock) {
    kernels.weighted_sum(q.queries.data(), dim, n,
                         cache.keys(layer, sequence, head, p / Cache::kBlock, q.decoded), dim,
                         {q.scores.data() + p % kPiece, kPiece}, false);
  }
}

void attend_piece(const KernelTable& kernels, const AttentionShape& shape, const Cache& cache,
                  std::size_t layer, std::span<const Place> places, std::size_t head,
                  const float* from, float* to, Queries& q) {
  const std::size_t group = shape.heads / shape.kv_heads, dim = shape.head_dim;
  const std::size_t n = places.size() * group, row = shape.heads * dim;
  const std::size_t sequence = places.front().sequence;
  const std::size_t end = places.back().position + 1;
  q.queries.resize(n * dim);
  q.scores.resize(n * kPiece);
  q.sums.assign(n * dim, 0);
  q.top.assign(n, 0);
  q.total.assign(n, 0);
  for (std::size_t t = 0; t < places.size(); ++t) {
    const float* query = from + t * row + head * group * dim;
    for (std::size_t i = 0; i < group * dim; ++i)
      q.queries[t * group * dim + i] = query[i] * shape.scale;
  }
  const std::size_t low = first_seen(shape, places.front().position);
  for (std::size_t piece = low / kPiece * kPiece; piece < end; piece += kPiece) {
    const std::size_t first = std::max(piece, low / Cache::kBlock * Cache::kBlock);
    const std::size_t last = std::min(piece + kPiece, end);
    make_scores(kernels, cache, layer, sequence, head, first, last, n, dim, q);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t position = places[i / group].position;
      const std::size_t begin = std::clamp(first_seen(shape, position), first, last);
      const std::size_t until = std::clamp(position + 1, begin, last);
      float* row_scores = q.scores.data() + i * kPiece;
      float* scores = row_scores + (begin - piece);
      if (shape.soft_cap > 0) kernels.soft_cap(scores, until - begin, shape.soft_cap);
      const float factor = kernels.softmax_piece(scores, until - begin, q.top[i], q.total[i]);
      if (factor != 1) kernels.scale(q.sums.data() + i * dim, dim, factor);
      std::fill(row_scores + (first - piece), scores, 0.0f);
      std::fill(row_scores + (until - piece), row_scores + (last - piece), 0.0f);
    }
    kernels.weighted_sum(q.scores.data() + (first - piece), kPiece, n,
                         cache.values(layer, sequence, head, first, last - first, q.decoded),
                         last - first, {q.sums.data(), dim}, true);
  }
  for (std::size_t i = 0; i < n; ++i) kernels.scale(q.sums.data() + i * dim, dim, 1 / q.total[i]);
  for (std::size_t t = 0; t < places.size(); ++t) {
    std::copy_n(q.sums.data() + t * group * dim, group * dim, to + t * row + head * group * dim);
  }
}

}  // namespace

void attend(ThreadPool& pool, const KernelTable& kernels, const AttentionShape& shape,
            const Cache& cache, std::size_t layer, std::span<const Place> places, const float* q,
            float* out) {
  const auto pieces = pieces_of(places);
  const std::size_t row = shape.heads * shape.head_dim;
  std::size_t work = 0;
  for (const Place& place : places) work += (place.position + 1) * row;
  run_if_worth(pool, pieces.size() * shape.kv_heads, work, [&](std::size_t task) {
    thread_local Queries queries;
    // The last pieces of a prompt see the most: they begin, so that no thread ends alone.
    const Piece& piece = pieces[pieces.size() - 1 - task / shape.kv_heads];
    attend_piece(kernels, shape, cache, layer, places.subspan(piece.first, piece.n),
                 task % shape.kv_heads, q + piece.first * row, out + piece.first * row, queries);
  });
}

}  // namespace limbeck
