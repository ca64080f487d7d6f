#include "limbeck/base/random.h"

#include <cmath>
#include <numbers>

namespace limbeck {

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) noexcept {
  constexpr std::uint64_t kMultiply0 = 0xD2511F53u, kMultiply1 = 0xCD9E8D57u;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = kMultiply0 * counter[0], b = kMultiply1 * counter[2];
    counter = {
        static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
        static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

Random::Random(std::uint64_t seed, std::uint64_t stream) noexcept : seed_(seed), stream_(stream) {}

std::uint32_t Random::operator()() noexcept {
  if (position_ % 4 == 0) make_block();
  return block_[position_++ % 4];
}

void Random::make_block() noexcept {
  const std::uint64_t block = position_ / 4;
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  block_ = philox4x32({low(block), low(block >> 32), low(stream_), low(stream_ >> 32)},
                      {low(seed_), low(seed_ >> 32)});
}

void Random::seek(std::uint64_t position) noexcept {
  position_ = position;
  if (position_ % 4 != 0) make_block();
}

double Random::uniform() noexcept {
  const std::uint64_t high = (*this)() >> 5, low = (*this)() >> 6;  // 27 and 26 bits
  return static_cast<double>(high << 26 | low) * 0x1p-53;
}

double Random::normal() noexcept {
  const double radius = std::sqrt(-2.0 * std::log1p(-uniform()));  // 1 - u is never 0
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::uint64_t Random::below(std::uint64_t n) noexcept {
  const std::uint64_t excess = (0 - n) % n;  // 2^64 mod n: the draws under it would be one too many
  for (;;) {
    const std::uint64_t high = (*this)();
    const std::uint64_t draw = high << 32 | (*this)();
    if (draw >= excess) return draw % n;
  }
}

}  // namespace limbeck
