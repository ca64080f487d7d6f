// The processor time of this thread: what limits on work are measured in, so that a busy machine
// does not make good input fail. On an idle one it is wall time.
#pragma once

#include <ctime>

namespace limbeck {

inline double thread_seconds() noexcept {
  std::timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace limbeck
