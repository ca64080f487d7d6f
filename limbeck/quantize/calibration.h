// Calibration text as token sequences, and what the model's own forward pass says about the inputs
// of each linear layer on it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "limbeck/base/thread_pool.h"
#include "limbeck/quantize/hessian.h"
#include "limbeck/quantize/importance.h"
#include "limbeck/quantize/layered_forward.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck {

struct CalibrationOptions {
  std::int64_t chunk = 512;         // tokens of a sequence; at most the model's context
  std::int64_t max_tokens = 65536;  // taken from all texts together
  std::int64_t min_tokens = 512;    // fewer are refused
};

struct CalibrationText {
  TokenSequences sequences;  // each at most `chunk` long, begun with BOS where the model wants one
  std::int64_t tokens = 0;
  std::string sha256;  // of the token ids
};

// Whole chunks of each text, in turn from one text and the next, so that every domain has its part;
// spread evenly over each text. No padding anywhere. Throws Error{usage} saying how many tokens
// there are and how many are needed.
CalibrationText tokenize_calibration(std::span<const std::string> texts, const Tokenizer& tokenizer,
                                     std::int64_t context, const CalibrationOptions& options);

// Sums over all sequences. `hessians_of`: weight names (input_name) whose second moments are
// wanted; importance is gathered of every input looked at.
struct InputStatistics {
  Importance importance;
  std::map<std::string, Hessian, std::less<>> hessians;  // finished
};

// The inputs of layers [first, last), and of the output.
struct InputRange {
  std::int64_t first = 0, last = 0;
  bool output = false;
  bool stay = false;  // one layer's inputs, and the streams stay before it
};
// `forward` goes on to `first`, which is not before where it is. Throws as LayeredForward.
InputStatistics gather_statistics(LayeredForward& forward, const InputRange& range,
                                  const std::set<std::string, std::less<>>& hessians_of,
                                  ThreadPool& pool);

}  // namespace limbeck
