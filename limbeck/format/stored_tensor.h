// One tensor of a file, as every reader here gives it and every writer takes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "limbeck/base/tensor_type.h"

namespace limbeck {

// `bytes` points into the file: keep the reader alive.
struct StoredTensor {
  std::string name;
  TensorType type = TensorType::f32;
  Shape shape;  // row-major, outermost first (GGUF's ne[] reversed): [rows, columns]
  std::span<const std::byte> bytes;
};

// A tensor to be written: what its bytes will be is known at once, the bytes are made on demand, so
// a model larger than memory can be written.
struct TensorSource {
  std::string name;
  TensorType type = TensorType::f32;
  Shape shape;                                         // row-major, outermost first
  std::function<std::vector<std::byte>()> make_bytes;  // called once, in order
};

// Bytes of a tensor; a scalar (empty shape) has one element, an empty dimension gives 0. Throws
// Error{format} on a negative dimension, a product over 2^63 (empty dimensions left out), or rows
// that do not divide into blocks.
std::uint64_t tensor_bytes(TensorType type, const Shape& shape);

}  // namespace limbeck
