#include "measured.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <exception>
#include <stdexcept>

#include "limbeck/base/error.h"

namespace limbeck::trust {
namespace {

// What the child tells through memory shared with its parent.
struct Told {
  char error[512];
  bool finished;
};

[[noreturn]] void child(const std::function<void()>& work, Told& told) {
  alarm(30);
  try {
    work();
  } catch (const Error& error) {
    const std::string text = std::string(name(error.kind())) + ": " + error.what();
    std::strncpy(told.error, text.c_str(), sizeof(told.error) - 1);
  } catch (const std::exception&) {
    _exit(1);
  }
  told.finished = true;
  _exit(0);
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

long resident_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

}  // namespace

Measured measure(const std::function<void()>& work) {
  void* const shared =
      mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) throw std::runtime_error("mmap");
  Told& told = *new (shared) Told{};
  const long before = resident_kib();
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork");
  if (pid == 0) child(work, told);
  int status = 0;
  rusage usage{};
  wait4(pid, &status, 0, &usage);
  Measured out;
  out.error = told.error;
  out.crashed = !told.finished;
  out.seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  out.megabytes = static_cast<double>(std::max(0L, usage.ru_maxrss - before)) / 1024;
  munmap(shared, sizeof(Told));
  return out;
}

}  // namespace limbeck::trust
