// A piece of work in a child process of its own: what it threw, its processor time and memory.
#pragma once

#include <functional>
#include <string>

namespace limbeck::trust {

struct Measured {
  std::string error;     // "kind: message" of the Error thrown; empty: none
  bool crashed = false;  // a signal, or an exception that is no Error
  double seconds = 0;    // of processor time
  double megabytes = 0;  // by which the peak of resident memory grew
};

// Runs `work` in a forked child; a child that takes 30 s is killed.
Measured measure(const std::function<void()>& work);

}  // namespace limbeck::trust
