// One tensor of a file, as every reader here gives it.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "limbeck/base/tensor_type.h"

namespace limbeck {

// `bytes` points into the file: keep the reader alive.
struct StoredTensor {
  std::string name;
  TensorType type = TensorType::f32;
  Shape shape;  // row-major, outermost first (GGUF's ne[] reversed): [rows, columns]
  std::span<const std::byte> bytes;
};

}  // namespace limbeck
