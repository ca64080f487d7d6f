// From a budget the user names to the bytes that tensors may take.
#pragma once

#include <cstdint>

#include "limbeck/model/checkpoint.h"
#include "limbeck/quantize/plan.h"

namespace limbeck {

// An upper bound of what the file holds beside its tensors: metadata, names, manifest.
std::uint64_t header_bytes(const Checkpoint& checkpoint, const Plan& plan);

// `bits_per_weight` of all tensors, or the `size` of the file; one of them is set. Throws
// Error{usage} if the header alone is over it.
std::uint64_t tensor_budget(const Checkpoint& checkpoint, const Plan& plan, double bits_per_weight,
                            std::uint64_t size);

}  // namespace limbeck
