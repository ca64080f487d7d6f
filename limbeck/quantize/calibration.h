// Calibration text as token sequences, and what the model's own forward pass says about the inputs
// of each linear layer on it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "limbeck/base/thread_pool.h"
#include "limbeck/quantize/hessian.h"
#include "limbeck/quantize/importance.h"
#include "limbeck/runtime/model.h"
#include "limbeck/text/tokenizer.h"

namespace limbeck {

using TokenSequences = std::vector<std::vector<TokenId>>;

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
// wanted; importance is gathered of every layer.
struct InputStatistics {
  Importance importance;
  std::map<std::string, Hessian, std::less<>> hessians;  // finished
};
InputStatistics gather_statistics(const Model& model, const TokenSequences& sequences,
                                  const std::set<std::string, std::less<>>& hessians_of,
                                  ThreadPool& pool,
                                  const std::function<void(std::size_t done)>& on_sequence = {});

// The residual stream of each sequence before a layer, so that one layer after the other costs one
// pass over the model, not one a layer.
struct ResidualStreams {
  std::int64_t layer = 0;
  std::vector<std::vector<float>> of;  // [sequences], each [tokens, hidden]; empty: not begun
};
// The same of the inputs of `layer` alone. `streams` (at that layer or before it) goes on to it
// first, through the layers between as they are in `model`.
InputStatistics gather_layer_statistics(
    const Model& model, const TokenSequences& sequences, std::int64_t layer,
    ResidualStreams& streams, const std::set<std::string, std::less<>>& hessians_of,
    ThreadPool& pool, const std::function<void(std::size_t done)>& on_sequence = {});

}  // namespace limbeck
