// TQ1_0 and TQ2_0: each weight is -d, 0 or d, d the largest magnitude of the superblock.
#include <algorithm>
#include <cmath>

#include "limbeck/base/f16.h"
#include "limbeck/codec/encode.h"

namespace limbeck::codec {
namespace {

// Trits 0, 1, 2 of the 256 weights. Returns d.
float round_to_trits(const float* x, std::uint8_t* trits) {
  float magnitude = 0;
  for (std::size_t i = 0; i < kSuperBlock; ++i) magnitude = std::max(magnitude, std::fabs(x[i]));
  float inverse = magnitude != 0.0f ? 1.0f / magnitude : 0.0f;
  if (!std::isfinite(inverse)) inverse = 0;
  for (std::size_t i = 0; i < kSuperBlock; ++i) {
    trits[i] = static_cast<std::uint8_t>(static_cast<int>(std::round(x[i] * inverse)) + 1);
  }
  return magnitude;
}

// One byte of TQ1_0: trits first, first + stride, ...; four of them leave the last digit zero.
std::uint8_t pack_trits(const std::uint8_t* first, std::size_t stride, std::size_t count) {
  unsigned value = 0;
  for (std::size_t n = 0; n < 5; ++n) value = value * 3 + (n < count ? first[n * stride] : 0);
  return static_cast<std::uint8_t>((value * 256 + 242) / 243);
}

int trit(std::uint8_t byte, std::size_t n) noexcept {
  constexpr unsigned kPowers[5] = {1, 3, 9, 27, 81};
  return static_cast<int>((byte * kPowers[n] & 255) * 3 >> 8);
}

}  // namespace

void encode(const float* x, const float*, float, BlockTq1_0& stored) {
  std::uint8_t trits[kSuperBlock];
  stored.d = float_to_f16(round_to_trits(x, trits));
  for (std::size_t m = 0; m < 32; ++m) stored.codes[m] = pack_trits(trits + m, 32, 5);
  for (std::size_t m = 0; m < 16; ++m) stored.codes[32 + m] = pack_trits(trits + 160 + m, 16, 5);
  for (std::size_t j = 0; j < 4; ++j) stored.tail[j] = pack_trits(trits + 240 + j, 4, 4);
}

void decode(const BlockTq1_0& stored, float* weights) {
  const float d = f16_to_float(stored.d);
  const auto value = [&](std::uint8_t byte, std::size_t n) {
    return static_cast<float>(trit(byte, n) - 1) * d;
  };
  for (std::size_t n = 0; n < 5; ++n) {
    for (std::size_t m = 0; m < 32; ++m) weights[32 * n + m] = value(stored.codes[m], n);
    for (std::size_t m = 0; m < 16; ++m) {
      weights[160 + 16 * n + m] = value(stored.codes[32 + m], n);
    }
  }
  for (std::size_t n = 0; n < 4; ++n) {
    for (std::size_t j = 0; j < 4; ++j) weights[240 + 4 * n + j] = value(stored.tail[j], n);
  }
}

void encode(const float* x, const float*, float, BlockTq2_0& stored) {
  std::uint8_t trits[kSuperBlock];
  stored.d = float_to_f16(round_to_trits(x, trits));
  for (std::size_t i = 0; i < 64; ++i) {
    const std::uint8_t* first = trits + i / 32 * 128 + i % 32;
    stored.codes[i] =
        static_cast<std::uint8_t>(first[0] | first[32] << 2 | first[64] << 4 | first[96] << 6);
  }
}

void decode(const BlockTq2_0& stored, float* weights) {
  const float d = f16_to_float(stored.d);
  for (std::size_t i = 0; i < kSuperBlock; ++i) {
    const int code = stored.codes[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
    weights[i] = static_cast<float>(code - 1) * d;
  }
}

}  // namespace limbeck::codec
