#include "limbeck/pipeline/expectations.h"

namespace limbeck::pipeline {

std::span<const QuantizationRow> quantization_rows() noexcept {
  static constexpr QuantizationRow kRows[] = {
      {"q8_0", 6.234, 0.0014},   {"q6_k", 6.253, 0.0055},   {"q5_k_m", 6.289, 0.0108},
      {"q4_k_m", 6.383, 0.0282}, {"q4_k_s", 6.410, 0.0320}, {"iq4_xs", 6.460, 0.0363},
      {"q3_k_m", 6.734, 0.0844}, {"q3_k_s", 7.603, 0.200},  {"q2_k", 8.652, 0.331}};
  return kRows;
}

std::span<const Accelerator> accelerators() noexcept {
  static constexpr Accelerator kRows[] = {
      {"H100 SXM", 989}, {"A100", 312}, {"L4", 121}, {"RTX 4090", 165}};
  return kRows;
}

}  // namespace limbeck::pipeline
