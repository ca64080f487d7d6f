#include "limbeck/base/mapped_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

// The mappings that the signal handler may look at: no locks there. A process with more than these
// has the others unguarded.
struct Mapping {
  std::atomic<std::uintptr_t> begin{0}, end{0};
  std::atomic<bool> broken{false};
};
std::array<Mapping, 1024> mappings;
std::atomic<std::size_t> n_used{0};  // entries ever used
std::atomic<bool> any_broken{false};
std::mutex names_mutex;
std::map<std::uintptr_t, std::string>& names() {
  static std::map<std::uintptr_t, std::string> paths;
  return paths;
}

Mapping* mapping_of(std::uintptr_t address) noexcept {
  const std::size_t n = n_used.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uintptr_t begin = mappings[i].begin.load(std::memory_order_acquire);
    if (begin != 0 && address >= begin && address < mappings[i].end.load()) return &mappings[i];
  }
  return nullptr;
}

// A page beyond the end of its file: zeros take the place of the rest of the mapping. Any other
// SIGBUS is what it always was.
void on_bus_error(int, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  const int error = errno;
  if (Mapping* mapping = info->si_code == BUS_ADRERR ? mapping_of(address) : nullptr) {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const std::uintptr_t from = address / page * page;
    void* zeros = ::mmap(reinterpret_cast<void*>(from), mapping->end.load() - from, PROT_READ,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (zeros != MAP_FAILED) {
      mapping->broken.store(true);
      any_broken.store(true);
      errno = error;
      return;
    }
  }
  ::signal(SIGBUS, SIG_DFL);  // the instruction runs again, and ends the program
}

void guard(const std::byte* data, std::size_t size, const std::filesystem::path& path) {
  static std::once_flag installed;
  std::call_once(installed, [] {
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, nullptr);
  });
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  const std::lock_guard lock(names_mutex);
  for (std::size_t i = 0; i < mappings.size(); ++i) {
    if (mappings[i].begin.load() != 0) continue;
    names()[begin] = path.string();
    mappings[i].broken.store(false);
    mappings[i].end.store(begin + size);
    mappings[i].begin.store(begin, std::memory_order_release);
    if (i >= n_used.load()) n_used.store(i + 1, std::memory_order_release);
    return;
  }
}

void unguard(const std::byte* data) noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  const std::lock_guard lock(names_mutex);
  names().erase(begin);
  bool broken = false;
  for (Mapping& mapping : mappings) {
    if (mapping.begin.load() == begin) mapping.begin.store(0);
    broken |= mapping.begin.load() != 0 && mapping.broken.load();
  }
  any_broken.store(broken);
}

}  // namespace

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
  guard(bytes_.data(), bytes_.size(), path);
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile::~MappedFile() {
  if (bytes_.empty()) return;
  unguard(bytes_.data());
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void check_mapped_files() {
  if (!any_broken.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(names_mutex);
  for (const Mapping& mapping : mappings) {
    if (mapping.begin.load() == 0 || !mapping.broken.load()) continue;
    fail_try(ErrorKind::io, "write the file again, and under another name while it is in use",
             "{}: became shorter while it was being read", names()[mapping.begin.load()]);
  }
}

void release_mapped(std::span<const std::byte> bytes) noexcept {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<std::uintptr_t>(bytes.data());
  const Mapping* mapping = mapping_of(first);
  if (!mapping || mapping->broken.load() || first + bytes.size() > mapping->end.load()) return;
  const std::uintptr_t begin = (first + page - 1) / page * page;
  const std::uintptr_t end = (first + bytes.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace limbeck
