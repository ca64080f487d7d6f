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

// Dense bf16 (T4: fp16) matrix products of common accelerators, TFLOP/s, from their data sheets.
// Training small models reaches about a third of it (kUtilisation).
struct Accelerator {
  std::string_view name;
  double tflops;
};
inline constexpr double kUtilisation = 0.33;
std::span<const Accelerator> accelerators() noexcept;
// In any case; throws Error{usage} naming the nearest.
const Accelerator& find_accelerator(std::string_view name);

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
