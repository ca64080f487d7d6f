#include "limbeck/distill/block_scales.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "limbeck/base/error.h"
#include "limbeck/base/f16.h"
#include "limbeck/codec/codec.h"
#include "limbeck/codec/scale_fields.h"

namespace limbeck::distill {
namespace {

float half_at(const std::byte* bytes) {
  std::uint16_t half;
  std::memcpy(&half, bytes, sizeof half);
  return f16_to_float(half);
}

void store_half(std::byte* bytes, float value) {
  const std::uint16_t half = float_to_f16(value);
  std::memcpy(bytes, &half, sizeof half);
}

}  // namespace

BlockScales::BlockScales(TensorType type, std::int64_t rows, std::int64_t columns,
                         std::span<const std::byte> bytes)
    : type_(type),
      rows_(rows),
      columns_(columns),
      blocks_(columns / static_cast<std::int64_t>(info(type).block_weights)),
      row_factors_(blocks_ * static_cast<std::int64_t>(scale_fields(type).size())),
      row_bytes_(row_bytes(type, columns)),
      fields_(scale_fields(type)),
      bytes_(bytes.begin(), bytes.end()) {
  LIMBECK_ASSERT(!fields_.empty() && bytes.size() == row_bytes_ * static_cast<std::size_t>(rows));
}

void BlockScales::scaled_row(std::span<const float> factors, std::int64_t row,
                             std::byte* bytes) const {
  std::memcpy(bytes, bytes_.data() + static_cast<std::size_t>(row) * row_bytes_, row_bytes_);
  const float* factor = factors.data() + row * row_factors_;
  for (std::int64_t b = 0; b < blocks_; ++b) {
    std::byte* block = bytes + static_cast<std::size_t>(b) * info(type_).block_bytes;
    for (const std::size_t field : fields_) {
      const float value = half_at(block + field);
      const float scaled = value + value * *factor++;
      if (std::isfinite(f16_to_float(float_to_f16(scaled)))) store_half(block + field, scaled);
    }
  }
}

void BlockScales::encode(std::span<const float> factors, std::int64_t begin, std::int64_t end,
                         std::span<std::byte> bytes) const {
  for (auto row = begin; row < end; ++row) {
    scaled_row(factors, row, bytes.data() + static_cast<std::size_t>(row) * row_bytes_);
  }
}

void BlockScales::decode(std::span<const float> factors, std::int64_t begin, std::int64_t end,
                         float* weights) const {
  std::vector<std::byte> bytes(row_bytes_);
  for (auto row = begin; row < end; ++row) {
    scaled_row(factors, row, bytes.data());
    decode_row(type_, bytes, {weights + row * columns_, static_cast<std::size_t>(columns_)});
  }
}

// Weights are linear in the fields: with one of them 1 and the others 0 a block decodes to its
// derivative.
void BlockScales::gradient(const float* of_weights, std::int64_t begin, std::int64_t end,
                           std::span<float> of_factors) const {
  const std::size_t block_bytes = info(type_).block_bytes;
  const auto block_weights = static_cast<std::int64_t>(info(type_).block_weights);
  const auto n_fields = static_cast<std::int64_t>(fields_.size());
  std::vector<std::byte> bytes(row_bytes_);
  std::vector<float> slope(static_cast<std::size_t>(columns_));
  for (auto row = begin; row < end; ++row) {
    const std::byte* stored = bytes_.data() + static_cast<std::size_t>(row) * row_bytes_;
    const float* g = of_weights + row * columns_;
    std::memcpy(bytes.data(), stored, row_bytes_);
    for (std::int64_t f = 0; f < n_fields; ++f) {
      for (std::int64_t b = 0; b < blocks_; ++b) {
        std::byte* block = bytes.data() + static_cast<std::size_t>(b) * block_bytes;
        for (std::int64_t other = 0; other < n_fields; ++other) {
          store_half(block + fields_[static_cast<std::size_t>(other)], other == f ? 1.0f : 0.0f);
        }
      }
      decode_row(type_, bytes, slope);
      for (std::int64_t b = 0; b < blocks_; ++b) {
        double sum = 0;
        for (auto i = b * block_weights; i < (b + 1) * block_weights; ++i) {
          sum += double{g[i]} * double{slope[static_cast<std::size_t>(i)]};
        }
        const std::byte* block = stored + static_cast<std::size_t>(b) * block_bytes;
        of_factors[static_cast<std::size_t>(row * row_factors_ + b * n_fields + f)] =
            static_cast<float>(sum * half_at(block + fields_[static_cast<std::size_t>(f)]));
      }
    }
  }
}

}  // namespace limbeck::distill
