#include "limbeck/quantize/plan.h"

namespace limbeck {

std::uint64_t PlannedTensor::bytes() const {
  return row_bytes(type, columns) * static_cast<std::uint64_t>(rows);
}

Plan plan_mix(const Mix& mix, const Architecture& architecture, bool has_importance) {
  Plan plan;
  for (const TensorSpec& spec : tensor_specs(architecture)) {
    PlannedTensor tensor{.name = spec.name};
    const bool vector = spec.shape.size() < 2;
    tensor.rows = vector ? 1 : spec.shape[0];
    tensor.columns = vector ? spec.shape[0] : spec.shape[1];
    tensor.matrix = !vector && role_of(spec.name).role != Role::other;
    if (tensor.matrix) {
      tensor.type = type_in_mix(mix, architecture, spec.name, tensor.columns, has_importance);
    }
    plan.push_back(std::move(tensor));
  }
  return plan;
}

std::uint64_t total_bytes(const Plan& plan) {
  std::uint64_t bytes = 0;
  for (const PlannedTensor& tensor : plan) bytes += (tensor.bytes() + 31) / 32 * 32;
  return bytes;
}

}  // namespace limbeck
