// Whole answers and errors, as JSON.
#pragma once

#include "limbeck/base/error.h"
#include "limbeck/base/json.h"
#include "limbeck/serve/api_error.h"
#include "limbeck/serve/exchange.h"

namespace limbeck::serve {

void send(Exchange& exchange, const ApiError& error);
void send(Exchange& exchange, const Json& json);

// What a client is told of an error of the engine.
ApiError from_outcome(const Error& error);

}  // namespace limbeck::serve
