// A temporary file without a name: gone with the process, whatever ends it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "limbeck/base/mapped_file.h"

namespace limbeck {

class UnnamedFile {
 public:
  // `bytes` zeros in `folder` (empty: the system's for temporary files). `what` is for messages.
  // Throws Error{io} if there can be none.
  UnnamedFile(const std::filesystem::path& folder, std::uint64_t bytes, std::string what);
  ~UnnamedFile();
  UnnamedFile(const UnnamedFile&) = delete;
  UnnamedFile& operator=(const UnnamedFile&) = delete;

  // Throw Error{io}; several threads may be at it, in ranges of their own.
  void read(std::uint64_t at, std::span<std::byte> bytes) const;
  void write(std::uint64_t at, std::span<const std::byte> bytes);
  // Outlives this object.
  MappedFile map() const;

 private:
  int file_ = -1;
  std::string what_;
};

}  // namespace limbeck
