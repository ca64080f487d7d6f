// Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011). A stream is (seed, stream),
// a position in it is one integer, so a resumed run continues exactly.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace limbeck {

// One block: the 128-bit counter enciphered under the 64-bit key, words least significant first.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) noexcept;

class Random {
 public:
  using result_type = std::uint32_t;  // usable with <random> and std::shuffle
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0) noexcept;

  std::uint32_t operator()() noexcept;
  static constexpr std::uint32_t min() { return 0; }
  static constexpr std::uint32_t max() { return 0xffffffffu; }

  double uniform() noexcept;                      // in [0, 1), 53 bits
  double normal() noexcept;                       // mean 0, variance 1 (Box-Muller, cosine half)
  std::uint64_t below(std::uint64_t n) noexcept;  // in [0, n), n > 0, unbiased

  std::uint64_t position() const noexcept { return position_; }  // 32-bit words drawn
  void seek(std::uint64_t position) noexcept;

 private:
  void make_block() noexcept;  // that of position_

  std::uint64_t seed_, stream_, position_ = 0;
  std::array<std::uint32_t, 4> block_ = {};
};

// A permutation's i-th element costs O(n): fills out[0..n) with a shuffle of 0..n-1 (Fisher-Yates).
template <typename Container>
void shuffle(Container& items, Random& random) {
  for (std::uint64_t i = items.size(); i > 1; --i) {
    using std::swap;
    swap(items[static_cast<std::size_t>(i - 1)], items[static_cast<std::size_t>(random.below(i))]);
  }
}

}  // namespace limbeck
