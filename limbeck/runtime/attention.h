// Attention of a batch over the cache, grouped heads together: scores, softmax and sum of a few
// hundred positions at a time (online softmax), so that no row of scores leaves the near caches.
#pragma once

#include <cstdint>
#include <span>

#include "limbeck/base/thread_pool.h"
#include "limbeck/kernels/kernel_table.h"
#include "limbeck/runtime/cache.h"

namespace limbeck {

struct AttentionShape {
  std::size_t heads, kv_heads, head_dim;
  float scale;
  float soft_cap;      // 0: none
  std::size_t window;  // positions seen, itself included; 0: all
};

// Where an item of the batch stands.
struct Place {
  std::size_t sequence, position;
};

// out [n, heads * head_dim] of q [n, heads * head_dim], keys and values of the items' positions
// being in the cache already. A query's result does not depend on the other queries.
void attend(ThreadPool& pool, const KernelTable& kernels, const AttentionShape& shape,
            const Cache& cache, std::size_t layer, std::span<const Place> places, const float* q,
            float* out);

}  // namespace limbeck
