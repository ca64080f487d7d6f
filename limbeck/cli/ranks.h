// Commands that train, started once on each of several ranks.
#pragma once

#include <functional>

#include "limbeck/cli/arguments.h"
#include "limbeck/distill/data_parallel.h"

namespace limbeck::cli {

// Runs `lead` where there is one process (with null) or on rank 0 of several; the others train
// along and end with its exit code. They print errors alone, as text. Throws as join, follow and
// `lead`.
int on_ranks(const CommonOptions& common, const std::function<int(distill::Ranks*)>& lead);

}  // namespace limbeck::cli
