// A fixed set of worker threads for data-parallel loops whose results never depend on their number.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace limbeck {

class ThreadPool {
 public:
  // n_threads >= 1 counts the calling thread; 0 means one per core. Throws Error{io} if threads
  // cannot be made.
  explicit ThreadPool(int n_threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const noexcept;

  // Calls task(index) once for each index in [0, n), in any order, on all threads; returns when all
  // are done. An exception of a task is rethrown here. Not reentrant: a task must not call run.
  // Tasks that each own their outputs give the same result for every number of threads.
  void run(std::size_t n, const std::function<void(std::size_t index)>& task);

  // As run, over [0, n) cut into contiguous pieces of `grain` items (the last may be shorter):
  // the cut depends on `grain` alone, never on the number of threads.
  void run_ranges(std::size_t n, std::size_t grain,
                  const std::function<void(std::size_t begin, std::size_t end)>& task);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace limbeck
