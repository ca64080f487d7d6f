#include "limbeck/runtime/cache.h"

#include <algorithm>
#include <cstring>

#include "limbeck/base/error.h"
#include "limbeck/codec/codec.h"

namespace limbeck {
namespace {

std::size_t whole_blocks(std::size_t positions) noexcept {
  return (positions + Cache::kBlock - 1) / Cache::kBlock * Cache::kBlock;
}

// Bytes of keys, or of values; 0 where a size_t does not hold them.
std::size_t reserved(const Cache::Shape& shape) noexcept {
  std::size_t bytes = row_bytes(shape.type, static_cast<std::int64_t>(shape.head_dim));
  for (const std::size_t n :
       {shape.layers, shape.sequences, shape.kv_heads, whole_blocks(shape.context)}) {
    if (__builtin_mul_overflow(bytes, n, &bytes)) return 0;
  }
  return bytes;
}

const Cache::Shape& checked(const Cache::Shape& shape) {
  const bool known = shape.type == TensorType::f32 || shape.type == TensorType::f16 ||
                     shape.type == TensorType::q8_0;
  if (!known)
    fail(ErrorKind::usage, "a key-value cache of type {}: f32, f16 or q8_0", info(shape.type).name);
  if (shape.head_dim % info(shape.type).block_weights != 0)
    fail_try(ErrorKind::usage, "f16",
             "a key-value cache of type {}: the model's heads have {} dimensions",
             info(shape.type).name, shape.head_dim);
  return shape;
}

}  // namespace

Cache::Cache(const Shape& shape)
    : shape_(checked(shape)),
      row_(row_bytes(shape.type, static_cast<std::int64_t>(shape.head_dim))) {
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

PlainRows Cache::keys(std::size_t layer, std::size_t sequence, std::size_t head, std::size_t block,
                      std::vector<float>& decoded) const {
  const std::size_t dim = shape_.head_dim, size = row_ / dim;
  const std::size_t first = offset(layer, sequence, head) + block * kBlock * row_;
  if (shape_.type != TensorType::q8_0)
    return {shape_.type, row(keys_, first).data(), kBlock, kBlock * size};
  decoded.resize(2 * kBlock * dim);
  const std::span<float> rows(decoded.data() + kBlock * dim, kBlock * dim);
  for (std::size_t p = 0; p < kBlock; ++p)
    decode_row(shape_.type, row(keys_, first + p * row_), rows.subspan(p * dim, dim));
  for (std::size_t d = 0; d < dim; ++d) {
    for (std::size_t p = 0; p < kBlock; ++p) decoded[d * kBlock + p] = rows[p * dim + d];
  }
  return {TensorType::f32, std::as_bytes(std::span(decoded)).data(), kBlock, 4 * kBlock};
}

PlainRows Cache::values(std::size_t layer, std::size_t sequence, std::size_t head,
                        std::size_t position, std::size_t n, std::vector<float>& decoded) const {
  const std::size_t dim = shape_.head_dim;
  const std::size_t first = offset(layer, sequence, head) + position * row_;
  if (shape_.type != TensorType::q8_0) return {shape_.type, row(values_, first).data(), dim, row_};
  decoded.resize(n * dim);
  for (std::size_t p = 0; p < n; ++p)
    decode_row(shape_.type, row(values_, first + p * row_),
               std::span(decoded).subspan(p * dim, dim));
  return {TensorType::f32, std::as_bytes(std::span(decoded)).data(), dim, 4 * dim};
}

void Cache::store(const KernelTable& kernels, std::size_t layer, std::size_t sequence,
                  std::size_t head, std::size_t position, const float* key,
                  const float* value) noexcept {
  const std::size_t dim = shape_.head_dim, base = offset(layer, sequence, head);
  void* value_row = values_.bytes().data() + base + position * row_;
  if (shape_.type == TensorType::q8_0) {
    const auto encode = [&](const float* from, void* to) {
      encode_row(shape_.type, {from, dim}, {static_cast<std::byte*>(to), row_});
    };
    encode(key, keys_.bytes().data() + base + position * row_);
    return encode(value, value_row);
  }
  // Of dimension 0, in the block of positions.
  void* first = keys_.bytes().data() + base + position / kBlock * kBlock * row_ +
                position % kBlock * (row_ / dim);
  if (shape_.type == TensorType::f16) {
    auto* k = static_cast<std::uint16_t*>(first);
    auto* v = static_cast<std::uint16_t*>(value_row);
    kernels.to_f16(value, dim, v);
    std::uint16_t halves[64];
    for (std::size_t d = 0; d < dim; d += 64) {
      const std::size_t n = std::min<std::size_t>(64, dim - d);
      kernels.to_f16(key + d, n, halves);
      for (std::size_t i = 0; i < n; ++i) k[(d + i) * kBlock] = halves[i];
    }
    return;
  }
  auto* k = static_cast<float*>(first);
  std::copy_n(value, dim, static_cast<float*>(value_row));
  for (std::size_t d = 0; d < dim; ++d) k[d * kBlock] = key[d];
}

void Cache::copy(std::size_t from, std::size_t to, std::size_t length) noexcept {
  const auto copy_bytes = [](std::span<std::uint8_t> bytes, std::size_t a, std::size_t b,
                             std::size_t n) { std::memcpy(bytes.data() + b, bytes.data() + a, n); };
  for (std::size_t layer = 0; layer < shape_.layers; ++layer) {
    for (std::size_t head = 0; head < shape_.kv_heads; ++head) {
      const std::size_t a = offset(layer, from, head), b = offset(layer, to, head);
      copy_bytes(keys_.bytes(), a, b, whole_blocks(length) * row_);
      copy_bytes(values_.bytes(), a, b, length * row_);
    }
  }
}

void Cache::release(std::size_t sequence, std::size_t begin, std::size_t end) noexcept {
  for (std::size_t layer = 0; layer < shape_.layers; ++layer) {
    for (std::size_t head = 0; head < shape_.kv_heads; ++head) {
      const std::size_t at = offset(layer, sequence, head);
      keys_.release(at + whole_blocks(begin) * row_, at + whole_blocks(end) * row_);
      values_.release(at + begin * row_, at + end * row_);
    }
  }
}

std::size_t Cache::bytes(const Shape& shape, std::size_t positions) noexcept {
  Shape held = shape;
  held.context = std::min(positions, shape.context);
  return 2 * reserved(held);
}

}  // namespace limbeck
