// Keys and values of the positions that sequences hold.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "limbeck/base/page_buffer.h"
#include "limbeck/kernels/kernel_table.h"

namespace limbeck {

// Address space is reserved for the whole context; memory is taken a page (4 kB) at a time as
// positions come, and given back as sequences are cut.
class Cache {
 public:
  struct Shape {
    std::size_t layers, sequences, kv_heads, context, head_dim;
    TensorType type = TensorType::f32;  // or f16, or q8_0: heads of 32 dimensions or a multiple
  };
  static constexpr std::size_t kBlock = 64;  // positions that lie together

  // Throws Error{usage} on a type that it cannot hold, Error{io} if the address space cannot be
  // had.
  explicit Cache(const Shape& shape);

  // Keys of the positions [64 * block, ...): row d holds dimension d of 64 positions, so that no
  // sum of a score crosses lanes. What q8_0 holds is decoded into `decoded`.
  PlainRows keys(std::size_t layer, std::size_t sequence, std::size_t head, std::size_t block,
                 std::vector<float>& decoded) const;
  // Values of `n` positions from `position` on, a row each.
  PlainRows values(std::size_t layer, std::size_t sequence, std::size_t head, std::size_t position,
                   std::size_t n, std::vector<float>& decoded) const;

  // Of one position and head; key and value [head_dim]. Different positions by different threads.
  void store(const KernelTable& kernels, std::size_t layer, std::size_t sequence, std::size_t head,
             std::size_t position, const float* key, const float* value) noexcept;

  // Copies the first `length` positions.
  void copy(std::size_t from, std::size_t to, std::size_t length) noexcept;
  // Gives back the memory of the positions [begin, end) as far as it is whole pages.
  void release(std::size_t sequence, std::size_t begin, std::size_t end) noexcept;

  // Of the first `positions` positions of every sequence.
  static std::size_t bytes(const Shape& shape, std::size_t positions) noexcept;

 private:
  std::span<const std::byte> row(const PageBuffer& buffer, std::size_t at) const noexcept {
    return {reinterpret_cast<const std::byte*>(buffer.bytes().data()) + at, row_};
  }
  // Of one layer, sequence and head, in bytes.
  std::size_t offset(std::size_t layer, std::size_t sequence, std::size_t head) const noexcept {
    return ((layer * shape_.sequences + sequence) * shape_.kv_heads + head) * shape_.context * row_;
  }

  Shape shape_;      // the context a multiple of kBlock
  std::size_t row_;  // bytes of one position and head
  PageBuffer keys_, values_;
};

}  // namespace limbeck
