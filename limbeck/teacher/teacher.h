// A teacher answers prompts with text and, where it can, with its next-token distribution.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/runtime/generate.h"

namespace limbeck {

// The distribution at one answer position: top-k log-probabilities (falling), or RS-KD samples
// (ids with counts; Sparse Logit Sampling, arXiv 2503.16870).
struct SoftLabel {
  std::vector<TokenId> ids;
  std::vector<float> values;  // log-probabilities, or counts
};

struct TeacherAnswer {
  std::string text;
  std::vector<TokenId> ids;     // in the teacher's vocabulary; empty if unknown
  std::vector<SoftLabel> soft;  // one for each id and one more for the stop token; empty: text only
  std::int64_t prompt_tokens = 0, answer_tokens = 0;
  double logprob = 0;  // of the answer
};

enum class Signal : std::uint8_t { text, top_k, sampled };

struct LabelRequest {
  Signal signal = Signal::text;
  int k = 64;              // top_k: entries; sampled: draws a position
  double temperature = 0;  // of the answer's sampling; 0 greedy
  std::int64_t max_tokens = 256;
  std::uint64_t seed = 0;
};

}  // namespace limbeck
