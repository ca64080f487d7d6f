// A plan under construction, with all that is predicted of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/model/architecture.h"
#include "limbeck/pipeline/advise.h"
#include "limbeck/pipeline/advise_student.h"

namespace limbeck::pipeline {

inline constexpr std::int64_t kFewExamples = 200;  // below, nothing narrow can be learnt

struct Option {
  std::string kind;    // keep | quantize | distil | both
  std::string type;    // mix, or "f16"; keep: empty
  Architecture shape;  // of the model that runs
  double bytes = 0, bits = 0, tokens_per_s = 0, items_per_s = 0;
  // Peak of resident memory, and what of it cannot be given back under pressure: not the file's
  // mapped pages, once weights are re-laid for the kernels.
  double memory = 0, needed = 0;
  bool measured = false;  // memory and speed: on random weights of this shape, on this machine
  std::optional<StudentCut> cut;  // students: out of the teacher; else fresh
  bool task_vocabulary = false;   // students: with the task's tokens alone
  int risk = 0;                   // students: 0 to 2, as student_risk
  TrainingCost training;
  double items = 0;        // training inputs used
  double expected_kl = 0;  // of quantizing, for ranking: 0 where nothing is rounded
  Json quality = Json::object();
  std::vector<std::string> against, reasons;

  std::string plan() const;
  bool distils() const { return kind == "distil" || kind == "both"; }
};

double count_of(const Architecture& architecture);  // its parameters

// Every plan that makes sense for this input, with size, memory, speed and cost predicted.
std::vector<Option> options_of(const AdviseInput& input, const AdviseLimits& limits,
                               const MachineLimits& machine);

// Specialists, cut out of the teacher and fresh, in several sizes and types: of options_of.
std::vector<Option> distil_options(const AdviseInput& input, const AdviseLimits& limits,
                                   const MachineLimits& machine);

// Speed from the rates; `rates`: predicted or measured tokens/s of prompt and generation.
void predict_items(Option& option, const AdviseInput& input, double prompt_per_s,
                   double generation_per_s);

// Fills `against` by the limits: called again when a prediction was replaced by a measurement.
void check_limits(Option& option, const AdviseInput& input, const AdviseLimits& limits,
                  const MachineLimits& machine);

}  // namespace limbeck::pipeline
