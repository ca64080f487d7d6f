// How much memory this process holds.
#pragma once

#include <cstdint>

namespace limbeck {

// The process's highest resident memory since the last reset (Linux: VmHWM of /proc/self/status);
// where the mark cannot be reset, since the start. 0 where it cannot be read.
std::uint64_t peak_resident_bytes();
std::uint64_t resident_bytes();       // now (VmRSS); 0 where it cannot be read
bool reset_peak_resident() noexcept;  // /proc/self/clear_refs

}  // namespace limbeck
