// For tests that something stays fast: the bound is what a release build is held to.
#pragma once

#include <ctime>

namespace limbeck {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(NDEBUG)
inline constexpr double kPatience = 15;  // measured: 4 to 12 times slower with checks
#else
inline constexpr double kPatience = 1;
#endif

// Processor time of this process in seconds: other tests run beside it.
class ProcessTime {
 public:
  double seconds() const { return static_cast<double>(std::clock() - start_) / CLOCKS_PER_SEC; }

 private:
  std::clock_t start_ = std::clock();
};

}  // namespace limbeck
