#include "limbeck/cli/trainer_program.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "limbeck/distill/trainer.h"

namespace limbeck::cli {

void continue_as_trainer(char** argv) {
  if (distill::can_train()) return;
  std::error_code none;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", none).parent_path();
  if (none) return;
  if (!std::getenv("GOMP_SPINCOUNT") && !std::getenv("OMP_WAIT_POLICY")) {
    setenv("GOMP_SPINCOUNT", "1000", 1);
  }
  for (const char* place : {".", "../libexec/limbeck"}) {
    execv((folder / place / "limbeck-train").c_str(), argv);
  }
}

}  // namespace limbeck::cli
