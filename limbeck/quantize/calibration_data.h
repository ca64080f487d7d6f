// Everything that a run learns from its calibration before it rounds.
#pragma once

#include <filesystem>
#include <string>

#include "limbeck/quantize/quantize.h"

namespace limbeck {

// What is known of the model's inputs; empty without calibration.
struct CalibrationData {
  Importance importance;
  TokenSequences sequences;  // for second moments
  TokenSequences held_out;   // of the same texts, for comparisons
  TokenSequences guard;      // of other texts, likewise
  TokenSequences healing;    // of the same texts, more of them, none of `held_out`
  std::string sha256;        // of what it was made from
  std::int64_t tokens = 0;
};

// Reads and tokenizes what `options` names and gathers the importance; one sequence of eight is
// kept back. What does not fit under the ceiling lies in files without a name in `folder`. Nothing
// for plain rounding that is not healed. Throws Error{usage} where the method needs text and has
// none.
CalibrationData calibrate(const Checkpoint& checkpoint, const QuantizeOptions& options,
                          const std::filesystem::path& folder, ThreadPool& pool);

}  // namespace limbeck
