#include "limbeck/quantize/healing.h"

#include <algorithm>

#include "limbeck/base/error.h"
#include "limbeck/codec/scale_fields.h"

namespace limbeck {

void check_can_heal(const Checkpoint& original, const Plan& plan) {
  if (!original.packed_notes().empty()) {
    fail_try(ErrorKind::usage, "leave --heal out, or quantize the 16-bit model that was packed",
             "{}: --heal trains towards the original model, and this folder holds 4-bit weights",
             original.path().string());
  }
  const bool scales = std::ranges::any_of(
      plan, [](const PlannedTensor& tensor) { return !scale_fields(tensor.type).empty(); });
  if (!scales) {
    fail_try(ErrorKind::usage, "leave --heal out, or name a type such as q4_k_m",
             "--heal trains the scales of blocks, and these tensor types have none");
  }
}

void check_healing_text(const TokenSequences& text, const TokenSequences& held_out) {
  if (text.empty()) {
    fail_try(ErrorKind::usage, "--calibration FILE", "--heal needs calibration text");
  }
  if (held_out.empty()) {
    fail_try(ErrorKind::usage, "give more calibration text",
             "--heal keeps one sequence of eight back to judge by, and there are only {}",
             text.size());
  }
}

Checkpoint with_healed(const Checkpoint& rounded, const Plan& plan, const Healed& healed) {
  Checkpoint result = Checkpoint::open(rounded.path());
  for (const PlannedTensor& tensor : plan) {
    const auto found = healed.tensors.find(tensor.name);
    if (found != healed.tensors.end()) {
      result.replace(tensor.name, {tensor.type, tensor.rows, tensor.columns, found->second, {}});
    } else if (tensor.matrix) {
      result.replace(tensor.name, rounded.at(tensor.name));
    }
  }
  return result;
}

}  // namespace limbeck
