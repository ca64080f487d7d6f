// What each tensor's rounding to each type costs the whole model: the error on the layer's own
// second moments, turned into divergence by one measured forward comparison a tensor (the
// divergence is nearly linear in the error: HIGGS, arXiv:2411.17525, section 3).
#pragma once

#include <filesystem>
#include <vector>

#include "limbeck/quantize/allocate.h"
#include "limbeck/quantize/variant.h"

namespace limbeck {

// Tensors that get one type together (parts that a GGUF file stores fused), and what they may get.
struct AllocationItem {
  std::vector<std::size_t> tensors;  // indices into the plan
  std::vector<TensorType> types;     // candidates, all fit the rows
  std::vector<Choice> choices;       // of each candidate: bytes of all tensors, estimated KL
};

// `plan` gives the tensors; its types do not matter. `folder` takes what a ceiling keeps out of
// memory.
std::vector<AllocationItem> measure_choices(const Checkpoint& original, const Plan& plan,
                                            QuantizeMethod method,
                                            const CalibrationData& calibration,
                                            const QuantizeOptions& options,
                                            const std::filesystem::path& folder, ThreadPool& pool);

// The plan of least estimated divergence whose tensors take at most `budget` bytes, padding and
// vectors included. Throws as allocate.
Plan plan_for_budget(const Checkpoint& original, const Plan& any, std::uint64_t budget,
                     QuantizeMethod method, const CalibrationData& calibration,
                     const QuantizeOptions& options, const std::filesystem::path& folder,
                     ThreadPool& pool);

}  // namespace limbeck
