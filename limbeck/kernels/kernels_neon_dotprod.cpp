// NEON kernels with SDOT, four products of bytes an instruction and lane: ARMv8.2 with dotprod
// (Neoverse N1, Apple M1, Cortex-A76 and later).
#if defined(__aarch64__)
#include <arm_neon.h>
#include <sys/auxv.h>

#include "limbeck/kernels/kernel_table.h"

#define LIMBECK_ISA "arch=armv8.2-a+dotprod"
#define LIMBECK_DOTPROD
#include "limbeck/kernels/macros.inc"

namespace limbeck {
namespace {

#include "limbeck/kernels/lanes_neon.inc"

constexpr std::size_t kRoundedPanels = 1, kRoundedColumns = 6;
constexpr std::size_t kDirectCodeRows = kDirectRows, kDirectRoundedRows = kDirectRows;

#include "limbeck/kernels/bf16.inc"
#include "limbeck/kernels/panel_kernels.inc"
#include "limbeck/kernels/peaks.inc"
#include "limbeck/kernels/plain.inc"
#include "limbeck/kernels/vectors.inc"

bool cpu_has_dotprod() noexcept {
  constexpr unsigned long kDotProducts = 1ul << 20;  // HWCAP_ASIMDDP
  return (::getauxval(AT_HWCAP) & kDotProducts) != 0;
}

}  // namespace

const KernelTable kNeonDotprodKernels = {
    .name = "neon_dotprod", .cpu_has = cpu_has_dotprod, LIMBECK_TABLE(, )};

}  // namespace limbeck
#endif
