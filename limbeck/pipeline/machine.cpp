// What the measurements ran on.
#include <unistd.h>

#include <fstream>
#include <string>
#include <thread>

#include "limbeck/base/version.h"
#include "limbeck/kernels/kernel_table.h"
#include "limbeck/pipeline/compare.h"

namespace limbeck::pipeline {
namespace {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown CPU";
}

}  // namespace

Json describe_machine(const ThreadPool& pool) {
  const auto pages = static_cast<double>(::sysconf(_SC_PHYS_PAGES)),
             page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  return {{"cpu", cpu_name()},         {"cores", std::thread::hardware_concurrency()},
          {"threads", pool.size()},    {"memory_bytes", pages * page},
          {"kernels", kernels().name}, {"program", "limbeck " + std::string(version())}};
}

}  // namespace limbeck::pipeline
