// One way of rounding a whole model: a type for each tensor and a method. A run may try several and
// keep the best.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "limbeck/base/mapped_file.h"
#include "limbeck/quantize/calibration_data.h"
#include "limbeck/quantize/importance.h"
#include "limbeck/quantize/journal.h"
#include "limbeck/quantize/plan.h"
#include "limbeck/quantize/quantize.h"
#include "limbeck/quantize/round_tensor.h"
#include "limbeck/quantize/statistics_source.h"

namespace limbeck {

// Throws Error{usage} where error feedback cannot keep below `max_memory` bytes.
void check_solver_memory(const Architecture& architecture, const Plan& plan,
                         std::uint64_t max_memory);

class Variant {
 public:
  // The parts go to `folder`. Everything referred to must outlive this.
  Variant(const Checkpoint& original, Plan plan, QuantizeMethod method,
          const CalibrationData& calibration, const QuantizeOptions& options,
          const std::filesystem::path& folder, ThreadPool& pool);

  // Rounds what the journal does not have yet.
  void round_all();

  const Plan& plan() const noexcept { return plan_; }
  QuantizeMethod method() const noexcept { return method_; }
  // After round_all: the model with every matrix as rounded; {name, type, error, method} of each
  // tensor; the bytes of each.
  const Checkpoint& rounded() const noexcept { return rounded_; }
  const Json& records() const noexcept { return records_; }
  std::vector<std::byte> bytes(std::size_t index) const { return journal_.bytes(index); }
  void remove_parts() { journal_.remove(); }
  // The folder of the parts, made if it was not there.
  const std::filesystem::path& parts() {
    journal_.keep();
    return journal_.folder();
  }

 private:
  std::string job() const;
  std::optional<std::size_t> group_of(const PlannedTensor& tensor) const;
  std::optional<std::size_t> unfinished_group() const;
  bool solvable(const PlannedTensor& tensor) const;
  RoundedTensor round_one(const PlannedTensor& tensor, const Weight& weight,
                          std::string_view& method);
  void use_rounded(const PlannedTensor& tensor, std::size_t index);

  const Checkpoint& original_;
  Checkpoint rounded_;  // the same, with the tensors rounded so far in place
  Plan plan_;
  QuantizeMethod method_;
  const CalibrationData& calibration_;
  const QuantizeOptions& options_;
  OnNan on_nan_;
  Journal journal_;
  ThreadPool& pool_;
  std::unique_ptr<StatisticsSource> source_;
  SolverMatrices matrices_;  // of `matrices_input_`
  std::string matrices_input_;
  std::vector<MappedFile> mapped_;  // under `rounded_`
  Json records_ = Json::array();
};

}  // namespace limbeck
