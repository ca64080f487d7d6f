// Keys and values of the positions that sequences hold.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

namespace limbeck {

class Cache {
 public:
  struct Shape {
    std::size_t layers, sequences, kv_heads, context, head_dim;
  };
  // Memory is reserved whole and used as positions come. Throws Error{io} if it cannot be.
  explicit Cache(const Shape& shape);

  // [context, head_dim] of one layer, sequence and head: position p is at p * head_dim.
  float* keys(std::size_t layer, std::size_t sequence, std::size_t head) noexcept;
  float* values(std::size_t layer, std::size_t sequence, std::size_t head) noexcept;

  // Copies the first `length` positions.
  void copy(std::size_t from, std::size_t to, std::size_t length) noexcept;
  std::size_t memory_bytes() const noexcept { return 2 * floats() * sizeof(float); }

 private:
  std::size_t floats() const noexcept {
    return shape_.layers * shape_.sequences * shape_.kv_heads * shape_.context * shape_.head_dim;
  }
  std::size_t offset(std::size_t layer, std::size_t sequence, std::size_t head) const noexcept {
    return ((layer * shape_.sequences + sequence) * shape_.kv_heads + head) * shape_.context *
           shape_.head_dim;
  }
  struct Free {
    void operator()(float* p) const noexcept { std::free(p); }
  };
  Shape shape_;
  std::unique_ptr<float, Free> keys_, values_;
};

}  // namespace limbeck
