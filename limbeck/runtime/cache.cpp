#include "limbeck/runtime/cache.h"

#include <algorithm>
#include <limits>

#include "limbeck/base/error.h"

namespace limbeck {

Cache::Cache(const Shape& shape) : shape_(shape) {
  const double bytes = 8.0 * static_cast<double>(shape.layers) *
                       static_cast<double>(shape.sequences) * static_cast<double>(shape.kv_heads) *
                       static_cast<double>(shape.context) * static_cast<double>(shape.head_dim);
  if (bytes < static_cast<double>(std::numeric_limits<std::ptrdiff_t>::max())) {
    // calloc of this size maps fresh zero pages: what is never written costs nothing.
    keys_.reset(static_cast<float*>(std::calloc(floats(), sizeof(float))));
    values_.reset(static_cast<float*>(std::calloc(floats(), sizeof(float))));
  }
  if (!keys_ || !values_) {
    fail_try(ErrorKind::io, "a smaller context or fewer sequences",
             "the key-value cache of {} sequences of {} positions needs {:.0f} bytes, which this "
             "machine does not give",
             shape.sequences, shape.context, bytes);
  }
}

float* Cache::keys(std::size_t layer, std::size_t sequence, std::size_t head) noexcept {
  return keys_.get() + offset(layer, sequence, head);
}

float* Cache::values(std::size_t layer, std::size_t sequence, std::size_t head) noexcept {
  return values_.get() + offset(layer, sequence, head);
}

void Cache::copy(std::size_t from, std::size_t to, std::size_t length) noexcept {
  for (std::size_t layer = 0; layer < shape_.layers; ++layer) {
    for (std::size_t head = 0; head < shape_.kv_heads; ++head) {
      std::copy_n(keys(layer, from, head), length * shape_.head_dim, keys(layer, to, head));
      std::copy_n(values(layer, from, head), length * shape_.head_dim, values(layer, to, head));
    }
  }
}

}  // namespace limbeck
