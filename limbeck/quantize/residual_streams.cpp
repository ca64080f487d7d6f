#include "limbeck/quantize/residual_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

int open_unnamed(const std::filesystem::path& folder) {
  std::string name = (folder / ".limbeck-streams-XXXXXX").string();
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) fail(ErrorKind::io, "{}: no temporary file: {}", name, std::strerror(errno));
  ::unlink(name.c_str());
  return file;
}

// All of `bytes` by `step` (pread or pwrite), which may do a part.
template <typename Step>
void in_steps(std::size_t bytes, std::uint64_t at, const Step& step) {
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t n = step(done, bytes - done, static_cast<off_t>(at + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      fail_try(ErrorKind::io, "free space there, or a larger --max-memory",
               "the file of the calibration's streams: {}",
               n < 0 ? std::strerror(errno) : "it ends too early");
    }
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace

ResidualStreams::ResidualStreams(std::vector<std::size_t> sizes, std::uint64_t memory_bytes,
                                 const std::filesystem::path& folder)
    : sizes_(std::move(sizes)) {
  std::uint64_t bytes = 0;
  for (const std::size_t size : sizes_) {
    at_.push_back(bytes);
    bytes += size * sizeof(float);
  }
  if (bytes > memory_bytes) {
    file_ = open_unnamed(folder.empty() ? std::filesystem::temp_directory_path() : folder);
    if (::ftruncate(file_, static_cast<off_t>(bytes)) != 0) {  // zeros until they are stored
      const int why = errno;
      ::close(file_);
      fail(ErrorKind::io, "a temporary file of {} bytes: {}", bytes, std::strerror(why));
    }
  } else {
    held_.resize(sizes_.size());
  }
}

ResidualStreams::~ResidualStreams() {
  if (file_ >= 0) ::close(file_);
}

void ResidualStreams::load(std::size_t i, std::vector<float>& values) const {
  if (!in_file()) {
    values = held_[i];
    values.resize(sizes_[i]);
    return;
  }
  values.resize(sizes_[i]);
  auto* to = reinterpret_cast<char*>(values.data());
  in_steps(values.size() * sizeof(float), at_[i], [&](std::size_t done, std::size_t n, off_t at) {
    return ::pread(file_, to + done, n, at);
  });
}

void ResidualStreams::store(std::size_t i, std::span<const float> values) {
  if (!in_file()) {
    held_[i].assign(values.begin(), values.end());
    return;
  }
  const auto* from = reinterpret_cast<const char*>(values.data());
  in_steps(values.size_bytes(), at_[i], [&](std::size_t done, std::size_t n, off_t at) {
    return ::pwrite(file_, from + done, n, at);
  });
}

}  // namespace limbeck
