#include "limbeck/runtime/cache.h"

#include <algorithm>
#include <cstring>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

std::size_t whole_blocks(std::size_t positions) noexcept {
  return (positions + Cache::kBlock - 1) / Cache::kBlock * Cache::kBlock;
}

// Bytes of keys, or of values; 0 where a size_t does not hold them.
std::size_t reserved(const Cache::Shape& shape) noexcept {
  std::size_t bytes = shape.type == TensorType::f16 ? 2 : 4;
  for (const std::size_t n : {shape.layers, shape.sequences, shape.kv_heads, shape.head_dim,
                              whole_blocks(shape.context)}) {
    if (__builtin_mul_overflow(bytes, n, &bytes)) return 0;
  }
  return bytes;
}

}  // namespace

Cache::Cache(const Shape& shape) : shape_(shape) {
  shape_.context = whole_blocks(shape.context);
  const std::size_t bytes = reserved(shape);
  try {
    if (bytes == 0) fail(ErrorKind::io, "more than any machine has");
    keys_ = PageBuffer(bytes, PageBuffer::Pages::small);
    values_ = PageBuffer(bytes, PageBuffer::Pages::small);
  } catch (const Error& error) {
    fail_try(ErrorKind::io, "a smaller context or fewer sequences",
             "the key-value cache of {} sequences of {} positions needs {}", shape.sequences,
             shape.context, error.what());
  }
}

PlainRows Cache::keys(std::size_t layer, std::size_t sequence, std::size_t head,
                      std::size_t block) const noexcept {
  const std::size_t first = offset(layer, sequence, head) + block * kBlock * shape_.head_dim;
  const auto* data = reinterpret_cast<const std::byte*>(keys_.bytes().data());
  return {shape_.type, data + first * size(), kBlock, kBlock * size()};
}

PlainRows Cache::values(std::size_t layer, std::size_t sequence, std::size_t head,
                        std::size_t position) const noexcept {
  const std::size_t first = offset(layer, sequence, head) + position * shape_.head_dim;
  const auto* data = reinterpret_cast<const std::byte*>(values_.bytes().data());
  return {shape_.type, data + first * size(), shape_.head_dim, shape_.head_dim * size()};
}

void Cache::store(const KernelTable& kernels, std::size_t layer, std::size_t sequence,
                  std::size_t head, std::size_t position, const float* key,
                  const float* value) noexcept {
  const std::size_t dim = shape_.head_dim, base = offset(layer, sequence, head);
  const std::size_t first = base + position / kBlock * kBlock * dim + position % kBlock;
  if (shape_.type == TensorType::f16) {
    auto* k = reinterpret_cast<std::uint16_t*>(keys_.bytes().data()) + first;
    auto* v = reinterpret_cast<std::uint16_t*>(values_.bytes().data()) + base + position * dim;
    kernels.to_f16(value, dim, v);
    std::uint16_t halves[64];
    for (std::size_t d = 0; d < dim; d += 64) {
      const std::size_t n = std::min<std::size_t>(64, dim - d);
      kernels.to_f16(key + d, n, halves);
      for (std::size_t i = 0; i < n; ++i) k[(d + i) * kBlock] = halves[i];
    }
    return;
  }
  auto* k = reinterpret_cast<float*>(keys_.bytes().data()) + first;
  auto* v = reinterpret_cast<float*>(values_.bytes().data()) + base + position * dim;
  std::copy_n(value, dim, v);
  for (std::size_t d = 0; d < dim; ++d) k[d * kBlock] = key[d];
}

void Cache::copy(std::size_t from, std::size_t to, std::size_t length) noexcept {
  const auto copy_bytes = [](std::span<std::uint8_t> bytes, std::size_t a, std::size_t b,
                             std::size_t n) { std::memcpy(bytes.data() + b, bytes.data() + a, n); };
  const std::size_t row = shape_.head_dim * size();
  for (std::size_t layer = 0; layer < shape_.layers; ++layer) {
    for (std::size_t head = 0; head < shape_.kv_heads; ++head) {
      const std::size_t a = offset(layer, from, head) * size(),
                        b = offset(layer, to, head) * size();
      copy_bytes(keys_.bytes(), a, b, whole_blocks(length) * row);
      copy_bytes(values_.bytes(), a, b, length * row);
    }
  }
}

void Cache::release(std::size_t sequence, std::size_t begin, std::size_t end) noexcept {
  const std::size_t row = shape_.head_dim * size();
  for (std::size_t layer = 0; layer < shape_.layers; ++layer) {
    for (std::size_t head = 0; head < shape_.kv_heads; ++head) {
      const std::size_t at = offset(layer, sequence, head) * size();
      keys_.release(at + whole_blocks(begin) * row, at + whole_blocks(end) * row);
      values_.release(at + begin * row, at + end * row);
    }
  }
}

std::size_t Cache::bytes(const Shape& shape, std::size_t positions) noexcept {
  Shape held = shape;
  held.context = std::min(positions, shape.context);
  return 2 * reserved(held);
}

}  // namespace limbeck
