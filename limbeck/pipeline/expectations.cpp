#include "limbeck/pipeline/expectations.h"

#include <fmt/ranges.h>

#include <cctype>
#include <string>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"

namespace limbeck::pipeline {

std::span<const QuantizationRow> quantization_rows() noexcept {
  static constexpr QuantizationRow kRows[] = {
      {"q8_0", 6.234, 0.0014},   {"q6_k", 6.253, 0.0055},   {"q5_k_m", 6.289, 0.0108},
      {"q4_k_m", 6.383, 0.0282}, {"q4_k_s", 6.410, 0.0320}, {"iq4_xs", 6.460, 0.0363},
      {"q3_k_m", 6.734, 0.0844}, {"q3_k_s", 7.603, 0.200},  {"q2_k", 8.652, 0.331}};
  return kRows;
}

std::span<const Accelerator> accelerators() noexcept {
  static constexpr Accelerator kRows[] = {{"H100 SXM", 989}, {"H200", 989}, {"A100", 312},
                                          {"L40S", 362},     {"L4", 121},   {"RTX 4090", 165},
                                          {"RTX 3090", 71},  {"T4", 65}};
  return kRows;
}

const Accelerator& find_accelerator(std::string_view name) {
  const auto lower = [](std::string_view text) {
    std::string out;
    for (const char c : text) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
  };
  std::vector<std::string> names;
  for (const Accelerator& row : accelerators()) {
    if (lower(row.name) == lower(name)) return row;
    names.emplace_back(row.name);
  }
  const std::string near = nearest(name, names);
  fail_try(ErrorKind::usage,
           near.empty() ? fmt::format("one of {}", fmt::join(names, ", "))
                        : fmt::format("did you mean '{}'?", near),
           "--gpu: no numbers are known of '{}'", name);
}

const DistillationRow& distillation_row(TaskKind kind) noexcept {
  constexpr std::string_view kNarrow =
      "a 4B student at or above its 120B teacher on 8 of 9 narrow tasks (34-50 items each, no "
      "intervals); smaller students are expected to fall behind";
  constexpr std::string_view kNarrowSource = "distil labs, published benchmarks";
  static constexpr DistillationRow kRows[] = {
      {TaskKind::classification,
       "96.8 % of the teacher's score in a model 7.5 times smaller; narrow tasks bear more",
       "TinyBERT on GLUE, arXiv:1909.10351"},
      {TaskKind::extraction, kNarrow, kNarrowSource},
      {TaskKind::qa, kNarrow, kNarrowSource},
      {TaskKind::tool_calling, kNarrow, kNarrowSource},
      {TaskKind::generation,
       "a 770M student above a prompted 540B teacher with 80 % of one benchmark's data; open-ended "
       "generation is the hardest to distil",
       "Distilling step-by-step on ANLI, arXiv:2305.02301"}};
  for (const DistillationRow& row : kRows) {
    if (row.kind == kind) return row;
  }
  return kRows[4];
}

}  // namespace limbeck::pipeline
