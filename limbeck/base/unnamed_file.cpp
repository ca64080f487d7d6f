#include "limbeck/base/unnamed_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

int open_unnamed(const std::filesystem::path& folder, const std::string& what) {
  std::string name = (folder / ".limbeck-XXXXXX").string();
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) fail(ErrorKind::io, "{}: {}: no file: {}", what, name, std::strerror(errno));
  ::unlink(name.c_str());
  return file;
}

// All of `bytes` by `step` (pread or pwrite), which may do a part.
template <typename Step>
void in_steps(const std::string& what, std::size_t bytes, std::uint64_t at, const Step& step) {
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t n = step(done, bytes - done, static_cast<off_t>(at + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      fail_try(ErrorKind::io, "free space there, or a larger --max-memory", "{}: {}", what,
               n < 0 ? std::strerror(errno) : "it ends too early");
    }
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace

UnnamedFile::UnnamedFile(const std::filesystem::path& folder, std::uint64_t bytes, std::string what)
    : what_(std::move(what)) {
  file_ = open_unnamed(folder.empty() ? std::filesystem::temp_directory_path() : folder, what_);
  if (::ftruncate(file_, static_cast<off_t>(bytes)) == 0) return;
  const int why = errno;
  ::close(file_);
  fail(ErrorKind::io, "{}: {} bytes: {}", what_, bytes, std::strerror(why));
}

UnnamedFile::~UnnamedFile() { ::close(file_); }

void UnnamedFile::read(std::uint64_t at, std::span<std::byte> bytes) const {
  in_steps(what_, bytes.size(), at, [&](std::size_t done, std::size_t n, off_t from) {
    return ::pread(file_, bytes.data() + done, n, from);
  });
}

void UnnamedFile::write(std::uint64_t at, std::span<const std::byte> bytes) {
  in_steps(what_, bytes.size(), at, [&](std::size_t done, std::size_t n, off_t to) {
    return ::pwrite(file_, bytes.data() + done, n, to);
  });
}

MappedFile UnnamedFile::map() const { return MappedFile(fmt::format("/proc/self/fd/{}", file_)); }

}  // namespace limbeck
