// A read-only memory-mapped file. A file that another process cuts short while it is mapped does
// not end the program: the missing pages read as zeros and check_mapped_files() says so.
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

// Throws Error{io} naming the file if one that is mapped became shorter than it was and its end
// was read since: what was computed of it is worthless. Called where results leave (a forward
// pass, a file to be committed, the end of a command). Cheap: one load.
void check_mapped_files();

// Lets the system drop the pages that lie whole in `bytes`, if those belong to a mapped file: they
// come back from it when they are read. Memory of any other kind is left alone.
void release_mapped(std::span<const std::byte> bytes) noexcept;

}  // namespace limbeck
