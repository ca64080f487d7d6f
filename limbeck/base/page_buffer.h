// Large memory straight from the system: zero until written, in huge pages where the machine has
// them. Filling a gigabyte of small pages takes longer than reading it, and walking them slows
// every later read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace limbeck {

class PageBuffer {
 public:
  enum class Pages { huge, small };  // small: memory used only where it was written, to 4 kB

  PageBuffer() = default;
  // Throws Error{io} naming the bytes if the machine does not give them. Zero bytes: empty.
  explicit PageBuffer(std::size_t bytes, Pages pages = Pages::huge);
  ~PageBuffer();
  PageBuffer(PageBuffer&& other) noexcept;
  PageBuffer& operator=(PageBuffer&& other) noexcept;

  std::span<std::uint8_t> bytes() const noexcept { return {data_, size_}; }

  // Gives whole pages of [begin, end) back to the system; they read as zeros afterwards.
  void release(std::size_t begin, std::size_t end) noexcept;

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0, mapped_ = 0;
};

}  // namespace limbeck
