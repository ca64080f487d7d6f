// What one rendering of a chat template may spend: steps, live bytes, time, depth.
#pragma once

#include <cstddef>
#include <string>

#include "limbeck/base/error.h"
#include "limbeck/text/chat_template.h"
#include "limbeck/text/cpu_time.h"

namespace limbeck::jinja {

class Budget {
 public:
  Budget(const TemplateLimits& limits, const std::string& origin)
      : limits_(limits), origin_(origin), start_(thread_seconds()) {}

  // Each throws Error{format} naming the limit when it is exceeded. `n` steps are about n times
  // the work of one node.
  void step(std::size_t n = 1) {
    steps_ += n;
    if (steps_ >= next_check_) check();
  }
  void charge(std::size_t bytes) {
    if (bytes > limits_.heap_bytes - live_) too_much("memory", limits_.heap_bytes, "bytes");
    live_ += bytes;
  }
  void release(std::size_t bytes) noexcept { live_ -= bytes; }

  const TemplateLimits& limits() const noexcept { return limits_; }
  const std::string& origin() const noexcept { return origin_; }
  std::size_t line = 1;  // of the node being evaluated, for messages

  // Counts nested evaluation: macros within expressions within loops, ...
  class Depth {
   public:
    explicit Depth(Budget& budget) : budget_(budget) {
      if (budget.depth_ >= kDepth) budget.too_much("nesting while rendering", kDepth, "levels");
      ++budget.depth_;
    }
    ~Depth() { --budget_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;

   private:
    Budget& budget_;
  };

  [[noreturn]] void too_much(const char* what, std::size_t limit, const char* unit) const {
    fail(ErrorKind::format, "{}:{}: the template exceeds the limit of {} {} on {}", origin_, line,
         limit, unit, what);
  }

 private:
  // A level takes up to a few kilobytes of stack under the sanitizers, and threads have 8 MiB.
  static constexpr std::size_t kDepth = 1000;

  void check() {
    if (steps_ > limits_.steps) too_much("work", limits_.steps, "steps");
    if (thread_seconds() - start_ > limits_.seconds)
      too_much("time", static_cast<std::size_t>(limits_.seconds * 1000), "milliseconds");
    next_check_ = steps_ + 256;
  }

  const TemplateLimits& limits_;
  const std::string& origin_;
  double start_;
  std::size_t steps_ = 0, next_check_ = 256, live_ = 0, depth_ = 0;
};

}  // namespace limbeck::jinja
