#include "limbeck/base/page_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::size_t page_bytes() noexcept { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

PageBuffer::PageBuffer(std::size_t bytes, Pages pages) : size_(bytes) {
  if (bytes == 0) return;
  const bool huge = pages == Pages::huge && bytes >= kHugePage;
  // The end of a small one in small pages: a huge one would be felt.
  const std::size_t unit = huge && bytes >= 32 * kHugePage ? kHugePage : page_bytes();
  if (bytes <= PTRDIFF_MAX - unit) {
    mapped_ = (bytes + unit - 1) / unit * unit;
    void* data = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data != MAP_FAILED) data_ = static_cast<std::uint8_t*>(data);
  }
  if (!data_) {
    fail_try(ErrorKind::io, "a smaller model, context or number of sequences",
             "{} bytes of memory, which this machine does not give: {}", bytes,
             std::strerror(mapped_ ? errno : ENOMEM));
  }
  ::madvise(data_, mapped_, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

PageBuffer::~PageBuffer() {
  if (data_) ::munmap(data_, mapped_);
}

PageBuffer::PageBuffer(PageBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {}

PageBuffer& PageBuffer::operator=(PageBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

void PageBuffer::release(std::size_t begin, std::size_t end) noexcept {
  const std::size_t page = page_bytes();
  begin = (begin + page - 1) / page * page;
  end = end / page * page;
  if (begin < end) ::madvise(data_ + begin, end - begin, MADV_DONTNEED);
}

}  // namespace limbeck
