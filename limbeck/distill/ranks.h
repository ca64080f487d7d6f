// What processes that train together do together: sums, copies of rank 0's, and waiting for it.
// c10d's TCP store and Gloo; NCCL for tensors on a GPU where libtorch has it.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "limbeck/distill/data_parallel.h"
#include "limbeck/distill/torch.h"

namespace limbeck::distill {

class ProcessGroup;

// Thrown where a rank waits for rank 0 and that has ended.
struct Dismissed {
  int exit_code;
};

// Every call is made by all ranks, in the same order. Each throws Error{network} if a rank is lost,
// or does not come to the call within the time-out. Not for several threads.
class Ranks {
 public:
  Ranks(const World& world, int threads);
  ~Ranks();

  int rank() const { return world_.rank; }
  int size() const { return world_.size; }
  int local_rank() const { return world_.local_rank; }
  bool first() const { return rank() == 0; }
  int threads() const { return threads_; }

  // float32 or float64, contiguous, in place: the sum over all ranks, the same bits on each.
  void sum(const at::Tensor& tensor);
  // Any type, contiguous, in place: what `root` has there.
  void broadcast(const at::Tensor& tensor, int root);

  // What rank 0 has to say, whenever it comes to it: without time-out, since it may label or
  // evaluate for hours. `text` of the others is ignored. Throws Dismissed, and Error{interrupted}
  // on a signal.
  std::string from_first(const std::string& text);

  // Of the others, where they fail: throws Dismissed if rank 0 ends before `patience` does.
  void await_end(std::chrono::seconds patience);

  // Rank 0's last word; waits a moment for the others to hear it.
  void dismiss(int exit_code) noexcept;

 private:
  void leave_if_ended();
  World world_;
  int threads_;
  std::int64_t told_ = 0;  // texts so far
  std::unique_ptr<ProcessGroup> group_;
};

}  // namespace limbeck::distill
