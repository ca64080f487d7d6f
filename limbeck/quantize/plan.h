// The type of every tensor of a file to be written, and the bytes that makes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "limbeck/model/mixes.h"

namespace limbeck {

struct PlannedTensor {
  std::string name;
  TensorType type = TensorType::f32;
  std::int64_t rows = 0, columns = 0;
  bool matrix = false;  // a weight matrix: may be rounded

  std::int64_t weights() const { return rows * columns; }
  std::uint64_t bytes() const;
};

using Plan = std::vector<PlannedTensor>;

// Every tensor of the architecture in file order.
Plan plan_mix(const Mix& mix, const Architecture& architecture, bool has_importance);

std::uint64_t total_bytes(const Plan& plan);  // of the tensors, each padded to 32

}  // namespace limbeck
