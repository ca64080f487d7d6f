// Keys and values of the positions that sequences hold.
#pragma once

#include <cstdint>
#include <span>

#include "limbeck/base/page_buffer.h"
#include "limbeck/kernels/kernel_table.h"

namespace limbeck {

// Address space is reserved for the whole context; memory is taken a page (4 kB) at a time as
// positions come, and given back as sequences are cut.
class Cache {
 public:
  struct Shape {
    std::size_t layers, sequences, kv_heads, context, head_dim;
    TensorType type = TensorType::f32;  // or f16
  };
  static constexpr std::size_t kBlock = 64;  // positions that lie together

  // Throws Error{io} if the address space cannot be had.
  explicit Cache(const Shape& shape);

  // Keys of the positions [64 * block, ...): row d holds dimension d of 64 positions, so that no
  // sum of a score crosses lanes.
  PlainRows keys(std::size_t layer, std::size_t sequence, std::size_t head,
                 std::size_t block) const noexcept;
  // Values of the positions from `position` on, a row each.
  PlainRows values(std::size_t layer, std::size_t sequence, std::size_t head,
                   std::size_t position) const noexcept;

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
  std::size_t size() const noexcept { return shape_.type == TensorType::f16 ? 2 : 4; }
  // Of one layer, sequence and head, in elements.
  std::size_t offset(std::size_t layer, std::size_t sequence, std::size_t head) const noexcept {
    return ((layer * shape_.sequences + sequence) * shape_.kv_heads + head) * shape_.context *
           shape_.head_dim;
  }

  Shape shape_;  // the context a multiple of kBlock
  PageBuffer keys_, values_;
};

}  // namespace limbeck
