// What keeps a tokenizer's pipeline in proportion to its text: steps that double it, one after
// another, would fill any machine.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "limbeck/base/error.h"

namespace limbeck {

inline constexpr std::size_t kMostSteps = 256;  // of a normalizer, a pre-tokenizer, a decoder, ...

// Throws Error{format} if `steps` are all that there may be.
inline void check_steps(std::size_t steps, std::string_view where) {
  if (steps >= kMostSteps) fail(ErrorKind::format, "{}: more than {} steps", where, kMostSteps);
}

class TextGrowth {
 public:
  // Of a text of so many bytes. `where` must outlive this.
  TextGrowth(std::size_t bytes, std::string_view where)
      : most_(bytes * kTimes + kSpare), where_(where) {}

  // Throws Error{format} if the text has become too long.
  void check(std::size_t bytes) const {
    if (bytes <= most_) return;
    fail(ErrorKind::format, "{}: makes a text longer than {} bytes, {} times what it was", where_,
         most_, kTimes);
  }

 private:
  // Unicode's longest expansion is 11 times, a mark for a blank 3, bytes as characters 2.
  static constexpr std::size_t kTimes = 64, kSpare = 65536;
  std::size_t most_;
  std::string_view where_;
};

}  // namespace limbeck
