#include "limbeck/kernels/kernel_table.h"

#include <cstdlib>
#include <string>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

constexpr const KernelTable* kAllKernels[] = {  // fastest first
#if defined(__x86_64__)
    &kAvx512Bf16Kernels, &kAvx512Kernels, &kAvx2Kernels,
#elif defined(__aarch64__)
    &kNeonDotprodKernels, &kNeonKernels,
#endif
    &kScalarKernels};

const KernelTable& choose() {
  const auto supported = supported_kernels();
  const char* wanted = std::getenv("LIMBECK_KERNELS");
  if (!wanted || !*wanted) return *supported.front();
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
