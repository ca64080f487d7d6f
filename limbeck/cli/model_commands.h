// What the commands that run a model share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "limbeck/runtime/speculative.h"

namespace limbeck::cli {

// --max-tokens and the sampling flags.
void add_sampling_options(CLI::App& app, GenerateOptions& options);

// --draft and how much it drafts; returns --draft.
CLI::Option* add_draft_options(CLI::App& app, std::string& draft, SpeculativeOptions& options);

}  // namespace limbeck::cli
