#include "limbeck/cli/patient_threads.h"

#include <unistd.h>

#include <cstdlib>

namespace limbeck::cli {

void wait_patiently(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") || std::getenv("OMP_WAIT_POLICY")) return;
  if (setenv("GOMP_SPINCOUNT", "1000", 1) == 0) execv("/proc/self/exe", argv);
}

}  // namespace limbeck::cli
