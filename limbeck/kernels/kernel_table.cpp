#include "limbeck/kernels/kernel_table.h"

#include <cstdlib>
#include <string>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

constexpr const KernelTable* kAllKernels[] = {  // fastest first, as a rule
#if defined(__x86_64__)
    &kAmxKernels, &kAvx512Bf16Kernels, &kAvx512Kernels, &kAvx2Kernels,
#elif defined(__aarch64__)
    &kNeonDotprodKernels, &kNeonKernels,
#endif
    &kScalarKernels};

// Intel's VDPBF16PS does half as many products a second as two units of float multiply-adds
// (docs/performance.md); AMD's does twice as many.
bool is_slower_than_next([[maybe_unused]] const KernelTable& table) {
#if defined(__x86_64__)
  return &table == &kAvx512Bf16Kernels && __builtin_cpu_is("intel");
#else
  return false;
#endif
}

const KernelTable& choose() {
  const auto supported = supported_kernels();
  const char* wanted = std::getenv("LIMBECK_KERNELS");
  if (!wanted || !*wanted) return *supported[is_slower_than_next(*supported.front()) ? 1 : 0];
  std::string known;
  for (const KernelTable* table : supported) {
    if (table->name == wanted) return *table;
    known += (known.empty() ? "" : ", ") + std::string(table->name);
  }
  fail_try(ErrorKind::usage, "unset LIMBECK_KERNELS, or one of: " + known,
           "LIMBECK_KERNELS={}: not available on this CPU", wanted);
}

}  // namespace

std::vector<const KernelTable*> supported_kernels() {
  std::vector<const KernelTable*> tables;
  for (const KernelTable* table : kAllKernels) {
    if (table->cpu_has()) tables.push_back(table);
  }
  return tables;
}

const KernelTable& kernels() {
  static const KernelTable& table = choose();
  return table;
}

}  // namespace limbeck
