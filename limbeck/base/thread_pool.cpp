#include "limbeck/base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
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
#elif defined(__aarch64__)
  asm volatile("yield");
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
  // The loop under way: `task` and `n` are written before `ticket`, and only while nobody holds an
  // index. A worker that comes late finds nothing left; nobody waits for it.
  const std::function<void(std::size_t)>* task = nullptr;
  std::size_t n = 0;
  // Low half: indices not yet claimed; high half: counts loops, so that an old value never returns.
  std::atomic<std::uint64_t> ticket{0};
  std::atomic<std::uint32_t> generation{0};  // changes to wake the workers
  std::atomic<std::uint32_t> unfinished{0};  // indices of this loop not yet done
  std::atomic<bool> stop{false};
  std::mutex error_mutex;
  std::exception_ptr error;
  std::atomic<bool> failed{false};

  static constexpr std::uint64_t kLow = 0xffffffffu;

  // Claims one index; false if none is left.
  bool claim(std::size_t& index) noexcept {
    std::uint64_t seen = ticket.load(std::memory_order_acquire);
    while ((seen & kLow) != 0) {
      if (ticket.compare_exchange_weak(seen, seen - 1, std::memory_order_acquire)) {
        index = n - static_cast<std::size_t>(seen & kLow);
        return true;
      }
    }
    return false;
  }

  // After an exception the indices left are claimed but not called.
  void work() noexcept {
    for (std::size_t index; claim(index);) {
      try {
        if (!failed.load(std::memory_order_relaxed)) (*task)(index);
      } catch (...) {
        const std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
        failed.store(true, std::memory_order_relaxed);
      }
      if (unfinished.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished.notify_all();
    }
  }

  void wake() noexcept {
    generation.fetch_add(1, std::memory_order_release);
    generation.notify_all();
  }

  void serve() noexcept {
    for (std::uint32_t seen = 0;;) {
      wait_while(generation, seen);
      seen = generation.load(std::memory_order_acquire);
      if (stop.load(std::memory_order_acquire)) return;
      work();
    }
  }

  void join() noexcept {
    stop.store(true, std::memory_order_release);
    wake();
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
  LIMBECK_ASSERT(n <= State::kLow);
  State& s = *state_;
  s.task = &task;
  s.n = n;
  s.error = nullptr;
  s.failed.store(false, std::memory_order_relaxed);
  s.unfinished.store(static_cast<std::uint32_t>(n), std::memory_order_relaxed);
  const std::uint64_t loop = (s.ticket.load(std::memory_order_relaxed) >> 32) + 1;
  s.ticket.store(loop << 32 | n, std::memory_order_release);
  s.wake();
  s.work();
  for (std::uint32_t left; (left = s.unfinished.load(std::memory_order_acquire)) != 0;) {
    wait_while(s.unfinished, left);
  }
  if (s.error) std::rethrow_exception(std::exchange(s.error, nullptr));
}

void ThreadPool::run_ranges(std::size_t n, std::size_t grain,
                            const std::function<void(std::size_t begin, std::size_t end)>& task) {
  LIMBECK_ASSERT(grain > 0);
  run((n + grain - 1) / grain,
      [&](std::size_t piece) { task(piece * grain, std::min(n, (piece + 1) * grain)); });
}

}  // namespace limbeck
