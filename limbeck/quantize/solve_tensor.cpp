#include "limbeck/quantize/solve_tensor.h"

#include <algorithm>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

constexpr std::size_t kFloats = 1u << 22;   // of rows held at once
constexpr float kLargestWeight = 32768.0f;  // scales beyond may not fit binary16

}  // namespace

RoundedTensor solve_tensor(const Weight& weight, std::string_view name, TensorType type,
                           const SolverMatrices& matrices, const SolverOptions& options,
                           OnNan on_nan, ThreadPool& pool) {
  const std::size_t size = row_bytes(type, weight.columns);
  const auto columns = static_cast<std::size_t>(weight.columns);
  const auto rows = static_cast<std::size_t>(weight.rows);
  RoundedTensor rounded;
  rounded.bytes.resize(rows * size);
  std::vector<float> floats;
  const std::size_t most = std::max<std::size_t>(64, kFloats / columns);
  for (std::size_t first = 0; first < rows; first += most) {
    const std::size_t here = std::min(most, rows - first);
    floats.resize(here * columns);
    read_rows(weight, name, static_cast<std::int64_t>(first), floats, on_nan);
    for (const float value : floats) {
      if (value > kLargestWeight || value < -kLargestWeight) {
        fail(ErrorKind::numeric, "tensor '{}' has the weight {}, too large for the scales of {}",
             name, value, info(type).name);
      }
    }
    solve_rows(type, matrices, options, floats,
               std::span(rounded.bytes).subspan(first * size, here * size), pool);
  }
  measure_error(weight, name, type, on_nan, pool, rounded);
  return rounded;
}

}  // namespace limbeck
