// What others have published about quantized and distilled models: what an advisor may expect
// before anything is measured. Every row names its source.
#pragma once

#include <span>
#include <string_view>

#include "limbeck/task/task.h"

namespace limbeck::pipeline {

// Llama-3-8B on WikiText-2, importance-weighted files: llama.cpp, tools/perplexity/README.md.
struct QuantizationRow {
  std::string_view mix;  // "q4_k_m"
  double perplexity;     // float16: 6.233
  double kl;             // mean KL divergence to float16, nats a token
};
inline constexpr double kFloatPerplexity = 6.233;
inline constexpr std::string_view kQuantizationSource =
    "llama.cpp tools/perplexity/README.md (Llama-3-8B, WikiText-2, importance-weighted)";
std::span<const QuantizationRow> quantization_rows() noexcept;

// Dense bf16 (T4: fp16) matrix products of common accelerators, TFLOP/s, and their memory, from
// their data sheets. Training small models reaches about a third of it (kUtilisation).
struct Accelerator {
  std::string_view name;
  double tflops;
  double memory_bytes;
};
inline constexpr double kUtilisation = 0.33;
std::span<const Accelerator> accelerators() noexcept;
// In any case; throws Error{usage} naming the nearest.
const Accelerator& find_accelerator(std::string_view name);

// Students that this program trained, on their task's test set: docs/results.md,
// examples/README.md.
struct StudentRow {
  TaskKind kind;
  bool cut;              // out of its teacher; else a fresh shape
  double times_smaller;  // in parameters
  double points_lost;    // of the teacher's score, in percent points
  std::string_view what;
};
inline constexpr std::string_view kStudentSource = "measured with Limbeck: docs/results.md";
// The row of that kind and start nearest in size; null where nothing was measured.
const StudentRow* nearest_student(TaskKind kind, bool cut, double times_smaller) noexcept;

// How sure one may be of such a student by these rows: 0 where as small a one lost no more than two
// points, 1 where it lost more or was less than 1.5 times as large, 2 where it lost more than 20
// points or nothing a tenth of the size was tried.
int student_risk(TaskKind kind, bool cut, double times_smaller) noexcept;

// What a small student of one narrow task may reach, by the kind of task.
struct DistillationRow {
  TaskKind kind;
  std::string_view expected, source;
};
const DistillationRow& distillation_row(TaskKind kind) noexcept;

// Small students after quantization-aware healing keep this share of the score (median).
inline constexpr double kHealedShare = 0.992;
inline constexpr std::string_view kHealedSource =
    "NVIDIA, quantization-aware distillation, arXiv:2601.20088 (median of its tables)";

}  // namespace limbeck::pipeline
