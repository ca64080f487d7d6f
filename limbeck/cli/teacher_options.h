// The options of every command that asks a teacher: what an endpoint may take.
#pragma once

#include <CLI/CLI.hpp>

#include "limbeck/teacher/endpoint.h"

namespace limbeck::cli {

// --max-requests, --max-cost, --price, ...; call check_budget after parsing.
void add_endpoint_options(CLI::App& app, EndpointBudget& budget);

}  // namespace limbeck::cli
