#include "limbeck/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "limbeck/base/error.h"

namespace limbeck {

MappedFile::MappedFile(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    const auto kind = errno == ENOENT || errno == ENOTDIR ? ErrorKind::usage : ErrorKind::io;
    fail(kind, "{}: cannot open: {}", path.string(), std::strerror(errno));
  }
  struct stat status {};
  void* data = MAP_FAILED;
  if (::fstat(file, &status) == 0 && status.st_size > 0) {
    data =
        ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_PRIVATE, file, 0);
  }
  ::close(file);
  if (S_ISREG(status.st_mode) && status.st_size == 0) return;  // nothing to map: no bytes
  if (data == MAP_FAILED) {
    fail(S_ISREG(status.st_mode) ? ErrorKind::io : ErrorKind::usage, "{}: cannot map {} bytes: {}",
         path.string(), status.st_size,
         S_ISREG(status.st_mode) ? std::strerror(errno) : "not a file");
  }
  bytes_ = {static_cast<const std::byte*>(data), static_cast<std::size_t>(status.st_size)};
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace limbeck
