// NEON kernels: every 64-bit ARM processor has it.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "limbeck/kernels/kernel_table.h"

#define LIMBECK_ISA "arch=armv8-a"
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

bool always() noexcept { return true; }

}  // namespace

const KernelTable kNeonKernels = {.name = "neon", .cpu_has = always, LIMBECK_TABLE(, )};

}  // namespace limbeck
#endif
