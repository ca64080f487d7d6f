// Block formats: bytes <-> numbers, one row of weights at a time. The scalar code here is the
// definition of each format; kernels are tested against it.
// Layouts: docs/quantization.md; ids and sizes: base/tensor_type.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "limbeck/base/tensor_type.h"

namespace limbeck {

// Decodes a row. bytes.size() == row_bytes(type, weights.size()).
// Throws Error{unsupported} if the type has no floating-point meaning (integers).
void decode_row(TensorType type, std::span<const std::byte> bytes, std::span<float> weights);

// Encodes a row by the format's reference rounding (the same bytes as ggml without FMA).
// `importance` [columns] >= 0 weighs each column's squared error; empty: the format's own default.
// Weights are finite: the caller has checked. Throws Error{unsupported} if there is no encoder.
void encode_row(TensorType type, std::span<const float> weights, std::span<std::byte> bytes,
                std::span<const float> importance = {});

bool can_encode(TensorType type) noexcept;
bool can_decode(TensorType type) noexcept;

}  // namespace limbeck
