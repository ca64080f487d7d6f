#include "limbeck/base/interrupt.h"

#include <csignal>
#include <cstdlib>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

volatile std::sig_atomic_t g_signal = 0;  // a handler can reach nothing else

extern "C" void remember_signal(int signal) {
  if (signal == SIGINT && g_signal == SIGINT) std::_Exit(130);
  g_signal = signal;
}

}  // namespace

void install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = remember_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  // A reader that left and a file over its limit (ulimit -f) are write errors, not deaths.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

bool interrupted() noexcept { return g_signal != 0; }

int interrupt_exit_code() noexcept {
  if (g_signal == 0) return 0;
  return g_signal == SIGINT ? 130 : exit_code(ErrorKind::interrupted);
}

void stop_if_interrupted(const char* resume) {
  if (interrupted()) fail_try(ErrorKind::interrupted, resume, "interrupted");
}

}  // namespace limbeck
