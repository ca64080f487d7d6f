// A matrix as its file stores it, all bits frozen but the binary16 scales and minima of its blocks:
// what is trained is a factor on each of them. The weights are what decode_row makes of the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "limbeck/base/tensor_type.h"

namespace limbeck::distill {

class BlockScales {
 public:
  // `bytes`: rows * row_bytes(type, columns); `type` has scale_fields.
  BlockScales(TensorType type, std::int64_t rows, std::int64_t columns,
              std::span<const std::byte> bytes);

  std::int64_t rows() const noexcept { return rows_; }
  std::int64_t columns() const noexcept { return columns_; }
  // Numbers trained in a row: blocks x fields of a block.
  std::int64_t row_factors() const noexcept { return row_factors_; }
  std::int64_t factors() const noexcept { return rows_ * row_factors_; }
  std::size_t stored_bytes() const noexcept { return bytes_.size(); }

  // Rows [begin, end) where each scale is its stored value times (1 + factor), rounded to binary16;
  // one that would not be finite stays as it was. factors [factors()], bytes and weights of the
  // whole matrix. Rows are independent of one another: threads may each take some.
  void encode(std::span<const float> factors, std::int64_t begin, std::int64_t end,
              std::span<std::byte> bytes) const;
  void decode(std::span<const float> factors, std::int64_t begin, std::int64_t end,
              float* weights) const;
  // The gradient by the factors of rows [begin, end) from that by the weights, straight through the
  // rounding to binary16.
  void gradient(const float* of_weights, std::int64_t begin, std::int64_t end,
                std::span<float> of_factors) const;

 private:
  void scaled_row(std::span<const float> factors, std::int64_t row, std::byte* bytes) const;

  TensorType type_;
  std::int64_t rows_, columns_, blocks_, row_factors_;
  std::size_t row_bytes_;
  std::span<const std::size_t> fields_;
  std::vector<std::byte> bytes_;
};

}  // namespace limbeck::distill
