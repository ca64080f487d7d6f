// Loops that are shared between threads only where that pays.
#pragma once

#include <cstddef>
#include <functional>

#include "limbeck/base/thread_pool.h"

namespace limbeck {

// Calls task(i) for i in [0, n); `work` is about how many multiply-adds they are together. Waking
// a thread costs a few microseconds: as long as 50,000 of them.
inline void run_if_worth(ThreadPool& pool, std::size_t n, std::size_t work,
                         const std::function<void(std::size_t)>& task) {
  constexpr std::size_t kWorth = 50'000;
  if (work >= kWorth) return pool.run(n, task);
  for (std::size_t i = 0; i < n; ++i) task(i);
}

}  // namespace limbeck
