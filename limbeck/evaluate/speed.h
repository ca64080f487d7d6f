// How fast a model runs here, and in how much memory.
#pragma once

#include <cstdint>

#include "limbeck/base/json.h"
#include "limbeck/base/resident.h"
#include "limbeck/evaluate/statistics.h"
#include "limbeck/runtime/model.h"

namespace limbeck {

struct SpeedOptions {
  std::int64_t prompt_tokens = 256;  // cut to what the context leaves
  std::int64_t generation_tokens = 64;
  double seconds = 2;  // spent on each of the two; at least 3 rounds each
};

struct SpeedResult {
  Interval prompt_tokens_per_s;      // median of the rounds; low, high: slowest and fastest round
  Interval generation_tokens_per_s;  // one sequence
  std::int64_t rounds = 0;
  std::int64_t prompt_tokens = 0, generation_tokens = 0;  // of a round
  std::uint64_t cache_bytes = 0;  // key-value cache and scratch of the decoder
  std::uint64_t peak_bytes = 0;   // resident memory of the process at its highest while this ran
};

// Runs made-up tokens: speed does not depend on what they are. The first round is not counted.
SpeedResult measure_speed_of(const Model& model, ThreadPool& pool,
                             const SpeedOptions& options = {});
Json to_json(const SpeedResult& result);

}  // namespace limbeck
