#include "limbeck/format/stored_tensor.h"

#include <limits>

#include "limbeck/base/error.h"

namespace limbeck {

std::uint64_t tensor_bytes(TensorType type, const Shape& shape) {
  std::int64_t rows = 1;
  bool empty = false;
  const std::int64_t columns = shape.empty() ? 1 : shape.back();
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) fail(ErrorKind::format, "a dimension of {} is impossible", shape[i]);
    empty = empty || shape[i] == 0;
    if (shape[i] != 0 && i + 1 < shape.size() && __builtin_mul_overflow(rows, shape[i], &rows)) {
      fail(ErrorKind::format, "the dimensions' product is over 2^63");
    }
  }
  const std::uint64_t row = row_bytes(type, columns);
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(rows), row, &bytes) ||
      bytes > std::numeric_limits<std::int64_t>::max()) {
    fail(ErrorKind::format, "the dimensions' product is over 2^63");
  }
  return empty ? 0 : bytes;
}

}  // namespace limbeck
