// The entry of a table and the signs that make a quadratic form of 4 or 8 weights small: vector
// quantization under correlated errors. Every entry is tried with the signs at the start and those
// at the end; between them signs descend, over the entries that were near the best at the start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "limbeck/codec/table_format.h"

namespace limbeck {

// Of how many of the signs may be minus.
enum class Parity : std::uint8_t { any, even, odd };
bool allowed(unsigned signs, Parity parity) noexcept;

struct FoundEntry {
  std::uint16_t entry = 0;
  std::uint8_t signs = 0;  // bit set: minus
  float cost = 0;          // q S q - 2 b q of q = step entry signs
};

class EntrySearch {
 public:
  // `format` must outlive this.
  explicit EntrySearch(const TableFormat& format);

  // s [dims * dims] symmetric, b [dims]; step not 0. Starts from `signs`. The same answer for
  // every instruction set; of entries as good as each other the first. Each round looks for a
  // better entry under the `tries` most promising flips of one sign or two.
  FoundEntry best(const float* s, const float* b, float step, unsigned signs, Parity parity,
                  std::size_t tries) const;

  // Signs that rounding one weight after the other gives to the target t of a group whose errors
  // are passed on by u [dims rows of `stride`], upper triangular; step not 0.
  unsigned signs_in_turn(const float* u, std::size_t stride, const float* t, float step) const;

  // The cost, as `best` counts it, of what is given.
  float cost(const float* s, const float* b, float step, unsigned entry, unsigned signs) const;

  // dims weights.
  void values(float step, unsigned entry, unsigned signs, float* out) const noexcept;

 private:
  struct Near;
  FoundEntry best_of_near(const Near& near, const float* s, const float* b, float step,
                          unsigned signs) const;
  struct Flip {
    float change;  // of the cost, the entry as it is
    unsigned mask;
  };
  static constexpr std::size_t kFlips = 36;  // one or two of eight
  std::size_t list_flips(const float* s, const float* b, float step, const FoundEntry& at, bool one,
                         bool two, std::span<Flip, kFlips> flips) const;
  FoundEntry best_flipped(const float* s, const float* b, float step, const FoundEntry& at,
                          const Near& near, std::span<Flip> flips, std::size_t tries) const;

  const TableFormat& format_;
  std::size_t n_;              // entries
  std::vector<float> planes_;  // [dims][n]: magnitudes
};

}  // namespace limbeck
