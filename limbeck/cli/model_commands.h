// What the commands that run a model share.
#pragma once

#include <CLI/CLI.hpp>

#include "limbeck/runtime/generate.h"

namespace limbeck::cli {

// --max-tokens and the sampling flags.
void add_sampling_options(CLI::App& app, GenerateOptions& options);

}  // namespace limbeck::cli
