// IQ2_XXS, IQ2_XS and IQ2_S: 8 weights share one entry of a grid of magnitudes.
#include <cstring>

#include "limbeck/base/f16.h"
#include "limbeck/codec/encode.h"
#include "limbeck/codec/grid_search.h"

namespace limbeck::codec {
namespace {

constexpr std::uint8_t kLevels[3] = {8, 25, 43};
constexpr float kUnit = 0.125f;

template <std::size_t Entries>
GridSearch make_search(const GridTable<8, Entries>& grid) {
  return GridSearch({grid[0].data(), 8 * Entries}, 8, kLevels);
}

void put_eight(float scale, const std::array<std::uint8_t, 8>& entry, unsigned signs, float* out) {
  for (std::size_t i = 0; i < 8; ++i) {
    const float value = scale * static_cast<float>(entry[i]);
    out[i] = signs >> i & 1 ? -value : value;
  }
}

float group_scale(float d, unsigned code) noexcept {
  return d * (0.5f + static_cast<float>(code)) * 0.25f;
}

}  // namespace

void decode(const BlockIq2Xxs& stored, float* weights) {
  const float d = f16_to_float(stored.d);
  for (std::size_t j = 0; j < 8; ++j) {
    const std::uint8_t* group = stored.groups + 8 * j;
    std::uint32_t word;
    std::memcpy(&word, group + 4, sizeof word);
    for (std::size_t k = 0; k < 4; ++k) {
      put_eight(group_scale(d, word >> 28), kGridIq2Xxs[group[k]],
                signs_of_seven(word >> 7 * k & 127), weights + 32 * j + 8 * k);
    }
  }
}

void encode(const float* x, const float* importance, float, BlockIq2Xxs& stored) {
  static const GridSearch search = make_search(kGridIq2Xxs);
  const GridFit fit = fit_grid(search, {32, kUnit, true}, x, importance);
  stored.d = float_to_f16(fit.d);
  for (std::size_t j = 0; j < 8; ++j) {
    std::uint32_t word = std::uint32_t{fit.scales[j]} << 28;
    for (std::size_t k = 0; k < 4; ++k) {
      stored.groups[8 * j + k] = static_cast<std::uint8_t>(fit.entries[4 * j + k]);
      word |= (fit.signs[4 * j + k] & 127u) << 7 * k;
    }
    std::memcpy(stored.groups + 8 * j + 4, &word, sizeof word);
  }
}

void decode(const BlockIq2Xs& stored, float* weights) {
  const float d = f16_to_float(stored.d);
  for (std::size_t k = 0; k < 32; ++k) {
    const unsigned scale = stored.scales[k / 4] >> k % 4 / 2 * 4 & 15, group = stored.groups[k];
    put_eight(group_scale(d, scale), kGridIq2Xs[group & 511], signs_of_seven(group >> 9),
              weights + 8 * k);
  }
}

void encode(const float* x, const float* importance, float, BlockIq2Xs& stored) {
  static const GridSearch search = make_search(kGridIq2Xs);
  const GridFit fit = fit_grid(search, {16, kUnit, true}, x, importance);
  stored.d = float_to_f16(fit.d);
  for (std::size_t k = 0; k < 32; ++k) {
    stored.groups[k] = static_cast<std::uint16_t>(fit.entries[k] | (fit.signs[k] & 127) << 9);
  }
  for (std::size_t j = 0; j < 8; ++j) {
    stored.scales[j] = static_cast<std::uint8_t>(fit.scales[2 * j] | fit.scales[2 * j + 1] << 4);
  }
}

void decode(const BlockIq2S& stored, float* weights) {
  const float d = f16_to_float(stored.d);
  for (std::size_t k = 0; k < 32; ++k) {
    const unsigned scale = stored.scales[k / 4] >> k % 4 / 2 * 4 & 15;
    const unsigned high = stored.high[k / 4] >> k % 4 * 2 & 3;
    put_eight(group_scale(d, scale), kGridIq2S[stored.low[k] | high << 8], stored.signs[k],
              weights + 8 * k);
  }
}

void encode(const float* x, const float* importance, float, BlockIq2S& stored) {
  static const GridSearch search = make_search(kGridIq2S);
  const GridFit fit = fit_grid(search, {16, kUnit, false}, x, importance);
  stored.d = float_to_f16(fit.d);
  std::memset(stored.high, 0, sizeof stored.high);
  for (std::size_t k = 0; k < 32; ++k) {
    stored.low[k] = static_cast<std::uint8_t>(fit.entries[k] & 255);
    stored.signs[k] = fit.signs[k];
    std::uint8_t& high = stored.high[k / 4];
    high = static_cast<std::uint8_t>(high | fit.entries[k] >> 8 << k % 4 * 2);
  }
  for (std::size_t j = 0; j < 8; ++j) {
    stored.scales[j] = static_cast<std::uint8_t>(fit.scales[2 * j] | fit.scales[2 * j + 1] << 4);
  }
}

}  // namespace limbeck::codec
