// Healing as the driver sees it: something above this module trains what rounding leaves free (the
// blocks' scales, the norms), and the driver keeps the result only where it is better.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/quantize/calibration.h"
#include "limbeck/quantize/plan.h"

namespace limbeck {

struct Healed {
  // New bytes of the same types by canonical name; vectors in f32.
  std::map<std::string, std::vector<std::byte>> tensors;
  Json record;  // for the manifest: {"steps", "best_step", "tokens", ..}
};

// `rounded`: the original with each matrix as rounded. `checkpoints`: a folder of its own, from
// which it goes on where it was killed, and which disappears with the parts.
using Healer = std::function<Healed(const Checkpoint& original, const Checkpoint& rounded,
                                    const TokenSequences& text, const TokenSequences& held_out,
                                    const std::filesystem::path& checkpoints)>;

// Bytes that the record and its notes may add to a file.
inline constexpr std::uint64_t kHealingBytes = 768;

// Throws Error{usage} where there is nothing to heal: a folder that others packed to 4 bits, a plan
// without block scales.
void check_can_heal(const Checkpoint& original, const Plan& plan);
// The same without calibration text, or with too little of it to keep some back.
void check_healing_text(const TokenSequences& text, const TokenSequences& held_out);

// The rounded model with the healed tensors in place, which must outlive the result.
Checkpoint with_healed(const Checkpoint& rounded, const Plan& plan, const Healed& healed);

}  // namespace limbeck
