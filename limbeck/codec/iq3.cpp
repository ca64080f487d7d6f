// IQ3_XXS and IQ3_S: 4 weights share one entry of a grid of magnitudes.
#include <cstring>

#include "limbeck/base/f16.h"
#include "limbeck/codec/encode.h"
#include "limbeck/codec/grid_search.h"

namespace limbeck::codec {
namespace {

constexpr std::uint8_t kLevelsXxs[8] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr std::uint8_t kLevelsS[8] = {1, 3, 5, 7, 9, 11, 13, 15};

void put_four(float scale, const std::array<std::uint8_t, 4>& entry, unsigned signs, float* out) {
  for (std::size_t i = 0; i < 4; ++i) {
    const float value = scale * static_cast<float>(entry[i]);
    out[i] = signs >> i & 1 ? -value : value;
  }
}

}  // namespace

void decode(const BlockIq3Xxs& stored, float* weights) {
  const float d = f16_to_float(stored.d);
  for (std::size_t j = 0; j < 8; ++j) {
    std::uint32_t word;
    std::memcpy(&word, stored.signs_and_scales + 4 * j, sizeof word);
    const float scale = d * (0.5f + static_cast<float>(word >> 28)) * 0.5f;
    for (std::size_t k = 0; k < 8; ++k) {
      const unsigned signs = signs_of_seven(word >> 7 * (k / 2) & 127) >> k % 2 * 4;
      put_four(scale, kGridIq3Xxs[stored.grid[8 * j + k]], signs, weights + 32 * j + 4 * k);
    }
  }
}

void encode(const float* x, const float* importance, float, BlockIq3Xxs& stored) {
  static const GridSearch search({kGridIq3Xxs[0].data(), 4 * kGridIq3Xxs.size()}, 4, kLevelsXxs);
  const GridFit fit = fit_grid(search, {32, 0.25f, true}, x, importance);
  stored.d = float_to_f16(fit.d);
  for (std::size_t k = 0; k < 64; ++k) stored.grid[k] = static_cast<std::uint8_t>(fit.entries[k]);
  for (std::size_t j = 0; j < 8; ++j) {
    std::uint32_t word = std::uint32_t{fit.scales[j]} << 28;
    for (std::size_t k = 0; k < 4; ++k) word |= (fit.signs[4 * j + k] & 127u) << 7 * k;
    std::memcpy(stored.signs_and_scales + 4 * j, &word, sizeof word);
  }
}

void decode(const BlockIq3S& stored, float* weights) {
  const float d = f16_to_float(stored.d);
  for (std::size_t k = 0; k < 64; ++k) {
    const int code = stored.scales[k / 16] >> k % 16 / 8 * 4 & 15;
    const unsigned high = stored.high[k / 8] >> k % 8 & 1u;
    put_four(d * static_cast<float>(1 + 2 * code), kGridIq3S[stored.low[k] | high << 8],
             static_cast<unsigned>(stored.signs[k / 2] >> k % 2 * 4), weights + 4 * k);
  }
}

void encode(const float* x, const float* importance, float, BlockIq3S& stored) {
  static const GridSearch search({kGridIq3S[0].data(), 4 * kGridIq3S.size()}, 4, kLevelsS);
  const GridFit fit = fit_grid(search, {32, 1.0f, false}, x, importance);
  stored.d = float_to_f16(fit.d);
  std::memset(stored.high, 0, sizeof stored.high);
  for (std::size_t k = 0; k < 64; ++k) {
    stored.low[k] = static_cast<std::uint8_t>(fit.entries[k] & 255);
    stored.high[k / 8] =
        static_cast<std::uint8_t>(stored.high[k / 8] | fit.entries[k] >> 8 << k % 8);
  }
  std::memcpy(stored.signs, fit.signs.data(), sizeof stored.signs);
  for (std::size_t j = 0; j < 4; ++j) {
    stored.scales[j] = static_cast<std::uint8_t>(fit.scales[2 * j] | fit.scales[2 * j + 1] << 4);
  }
}

}  // namespace limbeck::codec
