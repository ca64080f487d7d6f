#include "limbeck/base/thread_pool.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

TEST(ThreadPool, CallsEachIndexOnce) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (const std::size_t n : {0u, 1u, 2u, 1000u}) {
      std::vector<int> calls(n);
      pool.run(n, [&](std::size_t i) { ++calls[i]; });
      EXPECT_EQ(calls, std::vector<int>(n, 1));
    }
  }
}

TEST(ThreadPool, ManyShortLoopsAllFinish) {
  ThreadPool pool(3);
  std::vector<std::size_t> sums(7);
  for (std::size_t round = 0; round < 20000; ++round) {
    pool.run(sums.size(), [&](std::size_t i) { sums[i] += i; });
  }
  for (std::size_t i = 0; i < sums.size(); ++i) EXPECT_EQ(sums[i], 20000 * i);
}

TEST(ThreadPool, RangesDependOnTheGrainAlone) {
  for (const int threads : {1, 4}) {
    ThreadPool pool(threads);
    std::vector<std::size_t> ends(4);
    pool.run_ranges(10, 3, [&](std::size_t begin, std::size_t end) { ends[begin / 3] = end; });
    EXPECT_EQ(ends, (std::vector<std::size_t>{3, 6, 9, 10}));
  }
}

TEST(ThreadPool, RethrowsAndStaysUsable) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    const auto failing = [](std::size_t i) {
      if (i == 37) fail(ErrorKind::numeric, "index {}", i);
    };
    EXPECT_THROW(pool.run(100, failing), Error);
    std::vector<int> calls(50);
    pool.run(calls.size(), [&](std::size_t i) { ++calls[i]; });
    EXPECT_EQ(std::accumulate(calls.begin(), calls.end(), 0), 50);
  }
}

}  // namespace
}  // namespace limbeck
