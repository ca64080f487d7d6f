// Rotary position frequencies of an architecture, scaling included: the one place that knows the
// formulas, for the runtime's decoder and the torch decoder alike.
// Source: transformers, modeling_rope_utils; YaRN (arXiv 2309.00071); LongRoPE (arXiv 2402.13753).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "limbeck/model/architecture.h"

namespace limbeck {

struct RopeTable {
  // Radians per position of each rotated pair, [rope_dim / 2]; empty when positions are learned.
  std::vector<double> frequencies;
  double magnitude = 1;  // multiplies cos and sin (yarn, longrope)
};

// Of layer `layer` in a context of `context` positions: longrope takes its long factors above the
// original context (as llama.cpp does), its short ones up to it and for 0.
RopeTable rope_table(const Architecture& architecture, std::int64_t layer,
                     std::int64_t context = 0);

// What each plain frequency is divided by under llama3 scaling, [rope_dim / 2]: the contents of a
// GGUF file's rope_freqs.weight.
std::vector<double> llama3_factors(const Architecture& architecture);

// The scaling that gives these factors: llama3 where they are of that form (to 1e-4), else longrope
// with the same factors at every length. All 1: none. architecture: theta, rope_dim, context.
RopeScaling scaling_from_factors(const Architecture& architecture, std::span<const double> factors);

// The magnitude that yarn and longrope use where the configuration gives none.
double default_attention_factor(const RopeScaling& scaling, std::int64_t context_length);

}  // namespace limbeck
