// One process of several that train together, as its launcher says in the environment: torchrun (or
// the same variables by hand), Open MPI's mpirun, Slurm's srun. Sees no libtorch.
#pragma once

#include <functional>
#include <string>

namespace limbeck::distill {

struct World {
  int rank = 0, size = 1;              // of all
  int local_rank = 0, local_size = 1;  // on this machine
  std::string address;                 // where rank 0 listens
  int port = 0;
  // How long a rank waits for the others to come to a common step; a lost connection shows at once.
  double timeout_s = 300;
};

// getenv, or a test's.
using Environment = std::function<const char*(const char* name)>;

// RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE; OMPI_COMM_WORLD_RANK, _SIZE, ..; SLURM_PROCID,
// SLURM_STEP_NUM_TASKS, ..: the first launcher that is there; none of them: alone. MASTER_ADDR and
// MASTER_PORT say where rank 0 listens, and are guessed where one machine or Slurm leaves no doubt;
// LIMBECK_RANK_TIMEOUT gives timeout_s. Throws Error{usage} naming the variable.
World read_world(const Environment& environment);

}  // namespace limbeck::distill
