// Quantizing a model into a GGUF file: which type each tensor gets, how its weights are rounded,
// and the streaming driver that writes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/base/thread_pool.h"
#include "limbeck/model/checkpoint.h"
#include "limbeck/quantize/calibration.h"
#include "limbeck/quantize/grid_solver.h"
#include "limbeck/quantize/healing.h"

namespace limbeck {

enum class QuantizeMethod : std::uint8_t { rtn, imatrix, gptq };
std::string_view name(QuantizeMethod method) noexcept;  // "rtn", "imatrix", "gptq"
QuantizeMethod quantize_method(std::string_view name);  // throws Error{usage}

struct GptqOptions {
  double damping = 0.01;   // of the mean of the second moments' diagonal
  bool sequential = true;  // inputs as the rounded layers before make them; else of the original
  SolverOptions solver;
};

struct QuantizeOptions {
  std::string type = "q4_k_m";  // a tensor type or a named mix (q4_k_m, q3_k_s, ...)
  QuantizeMethod method =
      QuantizeMethod::rtn;  // imatrix and gptq need calibration text or an importance file
  std::vector<std::string> calibration_texts;  // texts (not paths)
  std::vector<std::string> calibration_names;  // where they are from, for `save_importance`
  CalibrationOptions calibration;
  std::filesystem::path importance_file;  // an imatrix GGUF; may be empty
  std::filesystem::path save_importance;  // where to keep the importance found; may be empty
  // Texts of another kind than the calibration's, for the guard: error feedback that does worse
  // there than importance rounding is not used. Part of the calibration text serves in any case.
  std::vector<std::string> guard_texts;
  // At most one of the two: types are then chosen per tensor, and `type` is not looked at.
  double bits_per_weight = 0;  // of all tensors together; 0: by type
  std::uint64_t size = 0;      // bytes of the file, never exceeded; 0: by type
  GptqOptions gptq;
  // Trains the scales of what was rounded; used where the held-out text (and the guard's) comes out
  // better for it. Needs calibration text. Null: nothing is trained.
  Healer healer;
  std::int64_t healing_tokens = 0;  // wanted for it, where the texts have them
  std::uint64_t max_memory = 0;     // bytes; 0: no ceiling
  double hold_seconds = 5;          // what a killed run may lose; quick ones write no parts
  std::string on_nan = "fail";      // fail | zero
  Json manifest;                    // carried into the file's manifest (provenance)
};

struct QuantizedTensor {
  std::string name;
  TensorType type;
  std::int64_t weights = 0;
  std::uint64_t bytes = 0;
  double relative_error = 0;  // sum (w - q)^2 / sum w^2
};

struct QuantizeResult {
  std::uint64_t bytes = 0, peak_bytes = 0;
  double bits_per_weight = 0, seconds = 0;
  std::string method;              // "rtn", ...: what was used in the end
  std::vector<std::string> notes;  // what the user should know: fallbacks, comparisons
  Json healing;                    // as in the manifest; null: there was none
  std::vector<QuantizedTensor> tensors;
};

// The type on whose grid a model's training ended, by its manifest; empty: none.
std::string trained_type(const Json& manifest);

// Throws Error{usage} on an unknown type, Error{numeric} naming tensor and row on NaN or infinite
// weights (on_nan fail), Error{io} on a full disk (checked before). Atomic.
QuantizeResult quantize_model(const Checkpoint& checkpoint, const std::filesystem::path& output,
                              const QuantizeOptions& options, ThreadPool& pool);

}  // namespace limbeck
