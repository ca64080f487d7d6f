#include "limbeck/pipeline/expectations.h"

#include <fmt/ranges.h>

#include <cctype>
#include <cmath>
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
  static constexpr Accelerator kRows[] = {
      {"H100 SXM", 989, 80e9}, {"H200", 989, 141e9},    {"A100", 312, 80e9},    {"L40S", 362, 48e9},
      {"L4", 121, 24e9},       {"RTX 4090", 165, 24e9}, {"RTX 3090", 71, 24e9}, {"T4", 65, 16e9}};
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

const StudentRow* nearest_student(TaskKind kind, bool cut, double times_smaller) noexcept {
  static constexpr StudentRow kRows[] = {
      {TaskKind::classification, true, 17.1, 0.4, "18 queues of a help desk: -0.4 (-1.4..+0.4)"},
      {TaskKind::classification, false, 24.5, 1.2, "18 queues of a help desk: -1.2 (-2.6..-0.4)"},
      {TaskKind::classification, false, 44.9, 4.2, "77 intents, BANKING77: -4.2 (-5.4..-3.1)"},
      {TaskKind::extraction, true, 19, 0, "records of a help desk: 100.0 % (98.7-100.0), no loss"},
      {TaskKind::extraction, false, 10.2, 1.0, "slots of restaurant8k: -1.0 (-1.9..-0.2)"},
      {TaskKind::extraction, false, 13.8, 94.3,
       "records of a help desk: 5.7 % where the teacher has 100"},
      {TaskKind::qa, true, 21, 0, "answers out of a text: 100.0 % (98.7-100.0), no loss"},
      {TaskKind::qa, false, 13.8, 84, "answers out of a text: 16 % where the teacher has 100"},
      {TaskKind::tool_calling, true, 19, 0,
       "five functions of a help desk: 100.0 % (98.7-100.0), no loss"},
      {TaskKind::tool_calling, false, 13.8, 62.7,
       "five functions of a help desk: 37.3 % where the teacher has 100"}};
  const StudentRow* best = nullptr;
  const auto distance = [&](const StudentRow& row) {
    return std::abs(std::log(row.times_smaller / times_smaller));
  };
  for (const StudentRow& row : kRows) {
    if (row.kind == kind && row.cut == cut && (!best || distance(row) < distance(*best)))
      best = &row;
  }
  return best;
}

int student_risk(TaskKind kind, bool cut, double times_smaller) noexcept {
  const StudentRow* row = nearest_student(kind, cut, times_smaller);
  if (!row) return 1;
  if (row->points_lost > 20 || times_smaller > 10 * row->times_smaller) return 2;
  return row->points_lost > 2 || times_smaller > 1.5 * row->times_smaller;
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
