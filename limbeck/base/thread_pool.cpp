#include "limbeck/base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

// How often to look before sleeping: token generation starts a loop every few microseconds, and a
// sleeping thread takes longer than that to wake.
constexpr int kSpins = 4000;

void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Returns once `value` is no longer `old`.
template <typename T>
void wait_while(const std::atomic<T>& value, T old) noexcept {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    relax();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace

struct ThreadPool::State {
  std::vector<std::thread> workers;
  // One loop: written by `run` before `generation` moves, read by the workers after.
  const std::function<void(std::size_t)>* task = nullptr;
  std::size_t n = 0;
  std::atomic<std::size_t> next{0};
  std::atomic<std::uint32_t> generation{0};
  std::atomic<int> busy{0};  // workers that have not finished this generation
  bool stop = false;
  std::mutex error_mutex;
  std::exception_ptr error;

  void work() noexcept {
    try {
      for (std::size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < n;) (*task)(i);
    } catch (...) {
      next.store(n, std::memory_order_relaxed);  // nobody starts another index
      const std::lock_guard lock(error_mutex);
      if (!error) error = std::current_exception();
    }
  }

  void start_generation() noexcept {
    busy.store(static_cast<int>(workers.size()), std::memory_order_relaxed);
    generation.fetch_add(1, std::memory_order_release);
    generation.notify_all();
  }

  void serve() noexcept {
    for (std::uint32_t seen = 0;;) {
      wait_while(generation, seen);
      ++seen;
      if (stop) return;
      work();
      if (busy.fetch_sub(1, std::memory_order_acq_rel) == 1) busy.notify_all();
    }
  }

  void join() noexcept {
    stop = true;
    start_generation();
    for (std::thread& worker : workers) worker.join();
  }
};

ThreadPool::ThreadPool(int n_threads) : state_(std::make_unique<State>()) {
  if (n_threads <= 0) n_threads = static_cast<int>(std::thread::hardware_concurrency());
  try {
    for (int i = 1; i < n_threads; ++i)
      state_->workers.emplace_back([s = state_.get()] { s->serve(); });
  } catch (const std::system_error& error) {
    state_->join();
    fail(ErrorKind::io, "cannot start {} threads: {}", n_threads, error.what());
  }
}

ThreadPool::~ThreadPool() { state_->join(); }

int ThreadPool::size() const noexcept { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::run(std::size_t n, const std::function<void(std::size_t index)>& task) {
  if (n <= 1 || state_->workers.empty()) {
    for (std::size_t i = 0; i < n; ++i) task(i);
    return;
  }
  State& s = *state_;
  s.task = &task;
  s.n = n;
  s.next.store(0, std::memory_order_relaxed);
  s.error = nullptr;
  s.start_generation();
  s.work();
  for (int left; (left = s.busy.load(std::memory_order_acquire)) != 0;) wait_while(s.busy, left);
  if (s.error) std::rethrow_exception(s.error);
}

void ThreadPool::run_ranges(std::size_t n, std::size_t grain,
                            const std::function<void(std::size_t begin, std::size_t end)>& task) {
  LIMBECK_ASSERT(grain > 0);
  run((n + grain - 1) / grain,
      [&](std::size_t piece) { task(piece * grain, std::min(n, (piece + 1) * grain)); });
}

}  // namespace limbeck
