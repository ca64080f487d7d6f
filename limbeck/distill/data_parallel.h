// Training on several processes at once. Rank 0 does all that a command does; the others compute
// their rows of each step for it. Every rank must see the same files. This header sees no libtorch.
#pragma once

#include <memory>

#include "limbeck/distill/world.h"

namespace limbeck::distill {

class Ranks;  // ranks.h

// Meets the others. threads: of training on this rank; 0: this machine's cores, shared with the
// ranks that are on it. Throws Error{network} if they do not all come within world.timeout_s,
// Error{unsupported} where libtorch has no Gloo.
std::shared_ptr<Ranks> join(const World& world, int threads);

// Of all ranks but 0: trains along whatever rank 0 trains (TrainOptions::ranks) until it ends.
// Returns the exit code of rank 0. Throws Error{network} if a rank is lost, Error{interrupted} on a
// signal, and as train.
int follow(Ranks& ranks);

// Of rank 0: the others end with this exit code.
void dismiss(Ranks& ranks, int exit_code);

}  // namespace limbeck::distill
