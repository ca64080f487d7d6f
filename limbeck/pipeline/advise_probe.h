// A plan's speed and memory on this machine, measured before the model exists: on random weights of
// its shape and types.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "limbeck/base/thread_pool.h"
#include "limbeck/model/architecture.h"

namespace limbeck::pipeline {

struct Probe {
  double generation_tokens_per_s = 0, prompt_tokens_per_s = 0;
  double memory_bytes = 0;  // with a cache of `context` positions
  double seconds = 0;       // that this took
  bool whole = true;        // false: from some of the layers, extrapolated
};

// `mix`: what the model is stored as; empty: the mix of about `bits` a weight. A model over 192 MB
// is measured by one and two of its layers. nullopt where it cannot be made (a family without
// random weights) or a temporary file of it cannot be written.
std::optional<Probe> probe(const Architecture& architecture, std::string_view mix, double bits,
                           std::int64_t context, ThreadPool& pool);

}  // namespace limbeck::pipeline
