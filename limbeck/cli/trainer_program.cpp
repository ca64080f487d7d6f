#include "limbeck/cli/trainer_program.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "limbeck/distill/trainer.h"

namespace limbeck::cli {
namespace {

// Debian 12's OpenBLAS multiplies with SSE3 kernels on processors newer than itself: on an Emerald
// Rapids fp32 products ran at an eighth of the speed. Its kernels for AVX-512 and AVX2 are named
// there; AMD's processors it knows by themselves.
void choose_blas_kernels() {
#if defined(__x86_64__)
  if (!__builtin_cpu_is("intel")) return;
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  const bool fused = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (wide || fused) setenv("OPENBLAS_CORETYPE", wide ? "SkylakeX" : "Haswell", 0);
#endif
}

}  // namespace

void continue_as_trainer(char** argv) {
  if (distill::can_train()) return;
  std::error_code none;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", none).parent_path();
  if (none) return;
  if (!std::getenv("GOMP_SPINCOUNT") && !std::getenv("OMP_WAIT_POLICY")) {
    setenv("GOMP_SPINCOUNT", "1000", 1);
  }
  choose_blas_kernels();
  for (const char* place : {".", "../libexec/limbeck"}) {
    execv((folder / place / "limbeck-train").c_str(), argv);
  }
}

}  // namespace limbeck::cli
