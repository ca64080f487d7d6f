// Rounding to Q2_K, Q3_K, Q4_K, Q5_K and Q6_K: a scale (and min) for each group, these themselves
// rounded to a few bits of one binary16 per superblock, then the codes once more with what is
// stored.
#include <algorithm>
#include <cmath>

#include "limbeck/base/f16.h"
#include "limbeck/codec/encode.h"
#include "limbeck/codec/group_search.h"
#include "limbeck/codec/packing.h"
#include "limbeck/codec/scale_search.h"

namespace limbeck::codec {
namespace {

std::span<const float> group_of(const float* x, std::size_t group, std::size_t size) {
  return {x + group * size, size};
}

// The codes for the scales as they are stored; a group whose scale is zero keeps its codes.
void round_codes(const GridFormat& format, const float* x, UnpackedBlock& block) {
  const auto size = static_cast<std::size_t>(format.group);
  for (std::size_t j = 0; j < kSuperBlock / size; ++j) {
    const float d = block.d * static_cast<float>(block.scales[j]);
    if (d == 0.0f) continue;
    const float min = block.dmin * static_cast<float>(block.mins[j]);
    group_search().affine_codes(x + j * size, size, d, min, format.zero, format.codes - 1,
                                block.codes.data() + j * size);
  }
}

// The sum of each group's weights, in order.
void add_up(const float* weights, std::size_t groups, std::size_t size, float* sums) {
  for (std::size_t j = 0; j < groups; ++j) {
    sums[j] = 0;
    for (std::size_t i = 0; i < size; ++i) sums[j] += weights[j * size + i];
  }
}

// The scales (or mins) of the groups in `bits` of one common factor: largest / levels.
float share_by_largest(std::span<const float> values, int levels, std::int16_t* rounded) {
  const float largest = std::max(0.0f, *std::max_element(values.begin(), values.end()));
  const float inverse = largest > 0 ? static_cast<float>(levels) / largest : 0.0f;
  for (std::size_t j = 0; j < values.size(); ++j) {
    rounded[j] = static_cast<std::int16_t>(clamp(nearest(inverse * values[j]), 0, levels));
  }
  return largest > 0 ? largest / static_cast<float>(levels) : 0.0f;
}

float share_by_weights(std::span<const float> values, int levels, std::span<const float> weights,
                       std::int16_t* rounded) {
  std::uint8_t codes[16];
  const float factor = positive_scale(values, levels, weights, codes);
  std::copy_n(codes, values.size(), rounded);
  return factor;
}

struct AffineRecipe {
  int sub_levels;           // of scales and mins
  float mean_square_scale;  // of sigma^2 in the weights
  AffineSteps plain, weighted;
};

template <typename Stored, typename PlainWeights>
void encode_affine(const float* x, const float* importance, const AffineRecipe& recipe,
                   const PlainWeights& plain_weights, Stored& stored) {
  const GridFormat& format = *find_grid_format(Stored::kType);
  const auto size = static_cast<std::size_t>(format.group), groups = kSuperBlock / size;
  UnpackedBlock block;
  float scales[16], mins[16], group_weight[16], weights[kSuperBlock];
  Affine fits[16];
  const GroupSearch& search = group_search();
  if (importance) {
    const float mean_square = recipe.mean_square_scale * sum_of_squares({x, kSuperBlock}) /
                              static_cast<float>(kSuperBlock);
    search.importance_weights(x, importance, kSuperBlock, mean_square, weights);
    add_up(weights, groups, size, group_weight);
  } else {
    for (std::size_t j = 0; j < groups; ++j) {
      plain_weights(group_of(x, j, size), weights + j * size);
    }
  }
  search.affine_fits(x, weights, groups, size, format.codes - 1,
                     importance ? recipe.weighted : recipe.plain, fits, block.codes.data());
  for (std::size_t j = 0; j < groups; ++j) {
    scales[j] = fits[j].scale;
    mins[j] = fits[j].min;
  }
  const int levels = recipe.sub_levels;
  if (importance) {
    const std::span<const float> by(group_weight, groups);
    block.d = share_by_weights({scales, groups}, levels, by, block.scales.data());
    block.dmin = share_by_weights({mins, groups}, levels, by, block.mins.data());
  } else {
    block.d = share_by_largest({scales, groups}, levels, block.scales.data());
    block.dmin = share_by_largest({mins, groups}, levels, block.mins.data());
  }
  block.d = round_to_f16(block.d);
  block.dmin = round_to_f16(block.dmin);
  round_codes(format, x, block);
  pack(block, stored);
}

void magnitude_weights(std::span<const float> x, float* weights) {
  for (std::size_t i = 0; i < x.size(); ++i) weights[i] = std::fabs(x[i]);
}

void rms_plus_magnitude_weights(std::span<const float> x, float* weights) {
  const float rms = std::sqrt(sum_of_squares(x) / static_cast<float>(x.size()));
  for (std::size_t i = 0; i < x.size(); ++i) weights[i] = rms + std::fabs(x[i]);
}

}  // namespace

void encode(const float* x, const float* importance, float, BlockQ2_K& stored) {
  encode_affine(x, importance, {15, 1.0f, {-0.5f, 0.1f, 15, true}, {-0.9f, 0.05f, 36}},
                magnitude_weights, stored);
}
void encode(const float* x, const float* importance, float, BlockQ4_K& stored) {
  encode_affine(x, importance, {63, 2.0f, {-1.0f, 0.1f, 20}, {-0.9f, 0.05f, 36}},
                rms_plus_magnitude_weights, stored);
}
void encode(const float* x, const float* importance, float, BlockQ5_K& stored) {
  encode_affine(x, importance, {63, 2.0f, {-0.5f, 0.1f, 15}, {-0.9f, 0.05f, 36}},
                rms_plus_magnitude_weights, stored);
}

namespace {

// The scales of the groups in six bits; the codes are there.
void share_q3(const float* x, const float* scales, const float* group_weight,
              UnpackedBlock& block) {
  if (group_weight) {
    std::uint8_t rounded[16];
    block.d = symmetric_scale({scales, 16}, 32, {group_weight, 16}, rounded);
    for (std::size_t j = 0; j < 16; ++j) {
      block.scales[j] = static_cast<std::int16_t>(rounded[j] - 32);
    }
  } else {
    const float largest = *std::max_element(
        scales, scales + 16, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
    std::fill(block.scales.begin(), block.scales.end(), std::int16_t{-32});
    if (largest != 0.0f) {
      const float inverse = -32.0f / largest;
      for (std::size_t j = 0; j < 16; ++j) {
        block.scales[j] = static_cast<std::int16_t>(clamp(nearest(inverse * scales[j]), -32, 31));
      }
      block.d = 1 / inverse;
    }
  }
  block.d = round_to_f16(block.d);
  round_codes(*find_grid_format(TensorType::q3_k), x, block);
}

}  // namespace

void encode_run(const float* x, const float* importance, float, std::size_t n, BlockQ3_K* stored) {
  const GroupSearch& search = group_search();
  float scales[16 * kRun];
  std::uint8_t codes[kSuperBlock * kRun];
  if (!importance) search.descents(x, 16 * n, 16, 4, scales, codes);
  for (std::size_t j = 0; j < n; ++j, x += kSuperBlock) {
    UnpackedBlock block;
    float group_weight[16], weights[kSuperBlock];
    if (importance) {
      const float mean_square =
          2 * sum_of_squares({x, kSuperBlock}) / static_cast<float>(kSuperBlock);
      search.importance_weights(x, importance + j * kSuperBlock, kSuperBlock, mean_square, weights);
      add_up(weights, 16, 16, group_weight);
      search.symmetric_scales(x, weights, 16, 16, 4, scales + 16 * j, block.codes.data());
    } else {
      std::copy_n(codes + j * kSuperBlock, kSuperBlock, block.codes.begin());
    }
    share_q3(x, scales + 16 * j, importance ? group_weight : nullptr, block);
    pack(block, stored[j]);
  }
}

void encode(const float* x, const float* importance, float, BlockQ6_K& stored) {
  UnpackedBlock block;
  float scales[16], largest = 0;
  group_search().symmetric_scales(x, importance, 16, 16, 32, scales, block.codes.data());
  for (const float scale : scales) {
    if (std::fabs(scale) > std::fabs(largest)) largest = scale;
  }
  if (std::fabs(largest) < kGroupEpsilon) {
    stored = {};
    return;
  }
  const float inverse = -128.0f / largest;
  for (std::size_t j = 0; j < 16; ++j) {
    block.scales[j] = static_cast<std::int16_t>(clamp(nearest(inverse * scales[j]), -128, 127));
  }
  block.d = round_to_f16(1 / inverse);
  round_codes(*find_grid_format(TensorType::q6_k), x, block);
  pack(block, stored);
}

}  // namespace limbeck::codec
