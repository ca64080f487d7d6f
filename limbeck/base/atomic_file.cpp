#include "limbeck/base/atomic_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/mapped_file.h"

namespace limbeck {
namespace {

void sync_folder(const std::filesystem::path& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;  // some file systems cannot; the rename is still atomic
  ::fsync(file);
  ::close(file);
}

std::filesystem::path parent_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : ".";
}

// Temporary files of processes that died while writing `path`. One that is being written is locked.
void remove_left_behind(const std::filesystem::path& path) {
  const std::string begin = fmt::format(".{}.tmp-", path.filename().string());
  const std::filesystem::path parent = parent_of(path);
  std::vector<std::filesystem::path> found;
  // Not directory_iterator: without memory libstdc++ 12's ends the program.
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(parent.c_str()), ::closedir);
  while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
    if (std::string_view(entry->d_name).starts_with(begin)) found.push_back(parent / entry->d_name);
  }
  for (const auto& file : found) {
    const int handle = ::open(file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (handle < 0) continue;
    if (::flock(handle, LOCK_EX | LOCK_NB) == 0) ::unlink(file.c_str());
    ::close(handle);
  }
}

// Locked, so that nobody takes it for one left behind; -1 where another process just did.
int create_locked(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) return file;
  struct stat status {};
  ::flock(file, LOCK_EX | LOCK_NB);  // some file systems have no locks, and are tidied by hand
  if (::fstat(file, &status) == 0 && status.st_nlink > 0) return file;
  ::close(file);
  errno = EAGAIN;
  return -1;
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  std::error_code error;
  std::filesystem::create_directories(parent_of(path_), error);
  if (std::filesystem::is_directory(path_)) {
    fail(ErrorKind::usage, "{}: is a folder, a file was to be written", path_.string());
  }
  temporary_ = parent_of(path_) / fmt::format(".{}.tmp-{}-{:08x}", path_.filename().string(),
                                              ::getpid(), std::random_device{}());
  remove_left_behind(path_);
  file_ = create_locked(temporary_);
  if (file_ < 0) fail(ErrorKind::io, "{}: cannot create: {}", path_.string(), std::strerror(errno));
}

AtomicFile::~AtomicFile() {
  if (file_ < 0) return;
  ::close(file_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  write_at(size_, bytes);
  size_ += bytes.size();
}

void AtomicFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      fail(ErrorKind::io, "{}: cannot write {} bytes at offset {}: {}", path_.string(),
           bytes.size(), offset, std::strerror(written < 0 ? errno : ENOSPC));
    }
    offset += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::align(std::size_t alignment) {
  const std::vector<std::byte> zeros((alignment - size_ % alignment) % alignment);
  write(zeros);
}

void AtomicFile::commit() {
  check_mapped_files();
  LIMBECK_ASSERT(file_ >= 0);
  const bool synced = ::fsync(file_) == 0;
  const int sync_error = errno;
  const bool closed = ::close(std::exchange(file_, -1)) == 0;
  if (!synced || !closed || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = synced ? errno : sync_error;
    ::unlink(temporary_.c_str());
    fail(ErrorKind::io, "{}: cannot finish writing: {}", path_.string(), std::strerror(error));
  }
  sync_folder(parent_of(path_));
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

std::string read_file(const std::filesystem::path& path, std::uint64_t limit) {
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    fail(ErrorKind::usage, "{}: no such file", path.string());
  if (!std::filesystem::is_regular_file(path, error)) {
    fail(ErrorKind::usage, "{}: is not a file", path.string());
  }
  const auto size = std::filesystem::file_size(path, error);
  if (error) fail(ErrorKind::io, "{}: cannot read: {}", path.string(), error.message());
  if (size > limit) {
    fail(ErrorKind::format, "{}: {} bytes, the limit for this kind of file is {}", path.string(),
         size, limit);
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(static_cast<std::size_t>(size), '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(size))) {
    fail(ErrorKind::io, "{}: cannot read: {}", path.string(), std::strerror(errno));
  }
  return text;
}

void check_free_space(const std::filesystem::path& path, std::uint64_t bytes) {
  auto folder = std::filesystem::absolute(path);
  while (!std::filesystem::exists(folder) && folder.has_relative_path())
    folder = folder.parent_path();
  std::error_code error;
  const auto space = std::filesystem::space(folder, error);
  if (!error && space.available < bytes) {
    fail(ErrorKind::io, "{}: needs {} bytes of disk, {} are free", path.string(), bytes,
         space.available);
  }
}

}  // namespace limbeck
