#include "limbeck/distill/world.h"

#include <charconv>
#include <optional>
#include <string_view>

#include "limbeck/base/error.h"

namespace limbeck::distill {
namespace {

constexpr int kMostRanks = 1 << 16;
constexpr int kPort = 29500;  // torch's own default

struct Launcher {
  const char *rank, *size, *local_rank, *local_size;
};

// In a Slurm allocation the shell itself has SLURM_NTASKS: only what srun started is a task of it,
// and has the variables of a step.
constexpr Launcher kLaunchers[] = {
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
     "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"}};

class Reader {
 public:
  explicit Reader(const Environment& environment) : environment_(environment) {}

  std::string text(const char* name) const {
    const char* value = environment_(name);
    return value ? value : "";
  }
  bool has(const char* name) const { return !text(name).empty(); }

  // The number at the start of a variable: Slurm writes "2(x3)" for two tasks on each of three
  // nodes. Absent: nullopt.
  std::optional<int> number(const char* name, int low, int high, bool whole = true) const {
    const std::string value = text(name);
    if (value.empty()) return std::nullopt;
    int n = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
    if (error != std::errc() || (whole && end != value.data() + value.size()) || n < low ||
        n > high) {
      fail(ErrorKind::usage, "{} is '{}', it must be a whole number in [{}, {}]", name, value, low,
           high);
    }
    return n;
  }

 private:
  const Environment& environment_;
};

bool is_loopback(std::string_view address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

const Launcher* find_launcher(const Reader& read) {
  for (const Launcher& launcher : kLaunchers) {
    const bool slurm = std::string_view(launcher.rank).starts_with("SLURM");
    // Slurm sets SLURM_PROCID for the batch script too.
    if (slurm ? read.has(launcher.size) : read.has(launcher.rank) || read.has(launcher.size)) {
      return &launcher;
    }
  }
  return nullptr;
}

int port_of(const Reader& read, const Launcher& launcher) {
  if (const auto port = read.number("MASTER_PORT", 1, 65535)) {
    // torchrun itself may listen there, in its own version's language.
    const bool taken = read.text("TORCHELASTIC_USE_AGENT_STORE") == "True";
    return taken ? (*port < 65535 ? *port + 1 : *port - 1) : *port;
  }
  // Two jobs may share a node.
  const auto job = std::string_view(launcher.rank).starts_with("SLURM")
                       ? read.number("SLURM_JOB_ID", 0, 2147483647)
                       : std::nullopt;
  return job ? 20000 + *job % 10000 : kPort;
}

}  // namespace

World read_world(const Environment& environment) {
  const Reader read(environment);
  World world;
  const Launcher* launcher = find_launcher(read);
  if (!launcher) return world;
  for (const char* name : {launcher->rank, launcher->size}) {
    if (!read.has(name)) {
      fail_try(ErrorKind::usage, "give both, or neither", "{} is set and {} is not",
               name == launcher->rank ? launcher->size : launcher->rank, name);
    }
  }
  world.size = *read.number(launcher->size, 1, kMostRanks);
  world.rank = *read.number(launcher->rank, 0, kMostRanks);
  if (world.rank >= world.size) {
    fail(ErrorKind::usage, "{} is {}, it must be below {}, which is {}", launcher->rank, world.rank,
         launcher->size, world.size);
  }
  if (world.size == 1) return world;
  const auto here = read.number(launcher->local_size, 1, kMostRanks, /*whole=*/false);
  world.address = read.text("MASTER_ADDR");
  if (world.address.empty()) world.address = read.text("SLURM_LAUNCH_NODE_IPADDR");
  if (world.address.empty() && here == world.size) world.address = "127.0.0.1";
  if (world.address.empty()) {
    fail_try(ErrorKind::usage, "set it to the address of the machine of rank 0, on all ranks",
             "MASTER_ADDR is not set, and the {} ranks may be on several machines", world.size);
  }
  world.local_size = here.value_or(is_loopback(world.address) ? world.size : 1);
  world.local_rank = read.number(launcher->local_rank, 0, kMostRanks)
                         .value_or(is_loopback(world.address) ? world.rank : 0);
  world.port = port_of(read, *launcher);
  if (const auto seconds = read.number("LIMBECK_RANK_TIMEOUT", 1, 1 << 24)) {
    world.timeout_s = *seconds;
  }
  return world;
}

}  // namespace limbeck::distill
