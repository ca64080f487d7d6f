// /proc/<pid>/status and clear_refs: https://docs.kernel.org/filesystems/proc.html
#include "limbeck/base/resident.h"

#include <sys/resource.h>

#include <fstream>
#include <string>
#include <string_view>

namespace limbeck {
namespace {

// A size of /proc/self/status, which counts in kB; 0 if it is not there.
std::uint64_t status_bytes(std::string_view key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) return std::stoull(line.substr(key.size())) * 1024;
  }
  return 0;
}

}  // namespace

std::uint64_t peak_resident_bytes() {
  if (const std::uint64_t bytes = status_bytes("VmHWM:")) return bytes;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

std::uint64_t resident_bytes() { return status_bytes("VmRSS:"); }

bool reset_peak_resident() noexcept {
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;  // 5: reset the peak
  return file.good();
}

}  // namespace limbeck
