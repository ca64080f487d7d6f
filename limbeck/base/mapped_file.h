// A read-only memory-mapped file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace limbeck {

class MappedFile {
 public:
  // Throws Error{usage} if there is no such file, Error{io} if it cannot be mapped.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace limbeck
