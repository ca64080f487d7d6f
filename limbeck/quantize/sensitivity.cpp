#include "limbeck/quantize/sensitivity.h"

#include <algorithm>
#include <cmath>

#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/codec/codec.h"
#include "limbeck/model/compose.h"
#include "limbeck/quantize/decoded_matrix.h"
#include "limbeck/quantize/dense.h"
#include "limbeck/quantize/probe.h"
#include "limbeck/quantize/solve_tensor.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;
using enum TensorType;

constexpr TensorType kCandidates[] = {iq2_xxs, iq2_xs, iq2_s, q2_k, iq3_xxs, iq3_s,
                                      q3_k,    iq4_xs, q4_k,  q5_k, q6_k,    q4_0,
                                      iq4_nl,  q4_1,   q5_0,  q5_1, q8_0,    f16};
constexpr std::size_t kSampledRows = 64;                    // of a tensor, to estimate its error
constexpr std::size_t kLossWeights = std::size_t{1} << 16;  // at a time
constexpr std::size_t kProbeTokens = 1024;  // of the comparison that measures a sensitivity

bool divides(TensorType type, std::int64_t columns) {
  return columns % static_cast<std::int64_t>(info(type).block_weights) == 0;
}

// Superblock types where the rows allow them, small blocks otherwise.
std::vector<TensorType> candidates(std::int64_t columns) {
  const bool super = divides(q4_k, columns);
  std::vector<TensorType> types;
  for (const TensorType type : kCandidates) {
    const bool small = info(type).block_weights == 32 && type != q8_0;
    if (divides(type, columns) && !(super && small)) types.push_back(type);
  }
  return types;
}

// The type whose rounding probes the sensitivity: coarse enough to be seen, fine enough to be
// near the linear range.
TensorType probe_type(std::int64_t columns) {
  return divides(q3_k, columns) ? q3_k : divides(q4_0, columns) ? q4_0 : bf16;
}

std::vector<float> decode_rows(TensorType type, std::span<const std::byte> bytes, std::size_t n) {
  const std::size_t size = row_bytes(type, static_cast<std::int64_t>(n));
  std::vector<float> values(bytes.size() / size * n);
  for (std::size_t r = 0; r * size < bytes.size(); ++r) {
    decode_row(type, bytes.subspan(r * size, size), std::span(values).subspan(r * n, n));
  }
  return values;
}

// Sum over rows of (q - w) H (q - w)^T; H null: of squares.
double loss(std::span<const float> w, std::span<const float> q, std::size_t n, const float* h) {
  std::vector<float> errors(w.size());
  for (std::size_t i = 0; i < w.size(); ++i) errors[i] = q[i] - w[i];
  std::vector<float> gradient = errors;
  if (h) {
    std::fill(gradient.begin(), gradient.end(), 0.0f);
    add_product({errors.data(), n, 1, h, n, n}, gradient.data(), n, w.size() / n, 0, n);
  }
  double sum = 0;
  for (std::size_t i = 0; i < w.size(); ++i) sum += double{errors[i]} * double{gradient[i]};
  return sum;
}

class Measure {
 public:
  Measure(const Checkpoint& original, const Plan& plan, QuantizeMethod method,
          const CalibrationData& calibration, const QuantizeOptions& options,
          const fs::path& folder, ThreadPool& pool)
      : original_(original),
        plan_(plan),
        method_(method),
        calibration_(calibration),
        options_(options),
        folder_(folder),
        pool_(pool),
        source_(original, calibration.sequences, plan, statistics(options, folder), pool),
        probe_(original, probe_of(calibration), pool, layered_under(options.max_memory, folder)) {}

  void add(AllocationItem& item) {
    for (const std::size_t index : item.tensors) {
      const PlannedTensor& tensor = plan_[index];
      const std::string input = input_of(original_.architecture(), tensor.name);
      const Hessian* hessian =
          has_input(original_.architecture(), tensor) ? source_.find(input) : nullptr;
      const bool solve = hessian && method_ == QuantizeMethod::gptq;
      if (solve && matrices_input_ != input) {
        matrices_ = solver_matrices(*hessian, options_.gptq.damping, tensor.name, pool_);
        matrices_input_ = input;
      }
      const SolverMatrices* matrices = solve ? &matrices_ : nullptr;
      const float* h = solve ? matrices_.h.data() : hessian ? hessian->moments.data() : nullptr;
      const double sensitivity = measured_sensitivity(tensor, h);
      const std::vector<float> sample = sampled_rows(tensor);
      const double part =
          static_cast<double>(tensor.weights()) / static_cast<double>(sample.size());
      for (std::size_t c = 0; c < item.types.size(); ++c) {
        PlannedTensor as = tensor;
        as.type = item.types[c];
        item.choices[c].bytes += (as.bytes() + 31) / 32 * 32;
        item.choices[c].cost +=
            sensitivity * part * sample_loss(tensor, as.type, sample, h, matrices);
      }
    }
  }

 private:
  static StatisticsSource::Options statistics(const QuantizeOptions& options,
                                              const fs::path& folder) {
    StatisticsSource::Options how;
    how.layered = layered_under(options.max_memory, folder);
    if (options.max_memory == 0) return how;
    how.moment_bytes = options.max_memory / 8;  // a trial's layer is there beside them
    how.sequential = true;  // the same moments, since nothing is rounded yet, in two passes
    return how;
  }

  static TokenSequences probe_of(const CalibrationData& calibration) {
    TokenSequences probe;
    std::size_t tokens = 0;
    for (const auto& sequence :
         calibration.held_out.empty() ? calibration.sequences : calibration.held_out) {
      if (tokens >= kProbeTokens) break;
      probe.push_back(sequence);
      tokens += sequence.size();
    }
    return probe;
  }

  // KL per unit of loss, by rounding this tensor alone.
  double measured_sensitivity(const PlannedTensor& tensor, const float* h) {
    const auto n = static_cast<std::size_t>(tensor.columns);
    const Weight weight = original_.at(tensor.name);
    const TensorType type = probe_type(tensor.columns);
    const RoundedTensor rounded = round_tensor(
        weight, tensor.name, type, calibration_.importance.of(tensor.name), OnNan::zero, pool_);
    DecodedMatrix decoded(tensor.rows, tensor.columns,
                          options_.max_memory > 0 ? &folder_ : nullptr);
    const auto total = static_cast<std::size_t>(tensor.rows);
    const std::size_t rows = std::max<std::size_t>(1, kLossWeights / n),
                      size = row_bytes(type, tensor.columns);
    std::vector<double> errors((total + rows - 1) / rows);
    pool_.run_ranges(total, rows, [&](std::size_t begin, std::size_t end) {
      const std::vector<float> q = decode_rows(
          type, std::span(rounded.bytes).subspan(begin * size, (end - begin) * size), n);
      std::vector<float> w(q.size());
      const auto first = static_cast<std::int64_t>(begin);
      read_rows(weight, tensor.name, first, w, OnNan::zero);
      errors[begin / rows] = loss(w, q, n, h);
      decoded.store(first, q);
    });
    double error = 0;
    for (const double piece : errors) error += piece;
    if (!(error > 0)) return 0;
    return probe_.divergence_with(tensor.name, decoded.weight()) / error;
  }

  std::vector<float> sampled_rows(const PlannedTensor& tensor) const {
    const auto n = static_cast<std::size_t>(tensor.columns);
    const auto rows = static_cast<std::size_t>(tensor.rows), count = std::min(rows, kSampledRows);
    const Weight weight = original_.at(tensor.name);
    std::vector<float> sample(count * n);
    for (std::size_t i = 0; i < count; ++i) {
      read_rows(weight, tensor.name, static_cast<std::int64_t>(i * rows / count),
                std::span(sample).subspan(i * n, n), OnNan::zero);
    }
    return sample;
  }

  double sample_loss(const PlannedTensor& tensor, TensorType type, const std::vector<float>& sample,
                     const float* h, const SolverMatrices* matrices) {
    const auto n = static_cast<std::size_t>(tensor.columns);
    const std::size_t size = row_bytes(type, tensor.columns);
    std::vector<std::byte> bytes(sample.size() / n * size);
    if (matrices && can_solve(type)) {
      return solve_rows(type, *matrices, options_.gptq.solver, sample, bytes, pool_);
    }
    const std::vector<float> importance = is_quantized(type) && method_ != QuantizeMethod::rtn
                                              ? calibration_.importance.of(tensor.name)
                                              : std::vector<float>{};
    pool_.run(sample.size() / n, [&](std::size_t r) {
      encode_row(type, std::span(sample).subspan(r * n, n),
                 std::span(bytes).subspan(r * size, size), importance);
    });
    return loss(sample, decode_rows(type, bytes, n), n, h);
  }

  const Checkpoint& original_;
  const Plan& plan_;
  QuantizeMethod method_;
  const CalibrationData& calibration_;
  const QuantizeOptions& options_;
  const fs::path& folder_;
  ThreadPool& pool_;
  StatisticsSource source_;
  Probe probe_;
  SolverMatrices matrices_;
  std::string matrices_input_;
};

std::vector<AllocationItem> items_of(const Architecture& architecture, const Plan& plan) {
  const auto fused = fused_tensors(architecture);
  std::vector<AllocationItem> items;
  std::vector<std::size_t> item_of_group(fused.size(), SIZE_MAX);
  for (std::size_t i = 0; i < plan.size(); ++i) {
    if (!plan[i].matrix) continue;
    const auto group = std::ranges::find_if(fused, [&](const auto& names) {
      return std::ranges::find(names, plan[i].name) != names.end();
    });
    if (group != fused.end()) {
      std::size_t& at = item_of_group[static_cast<std::size_t>(group - fused.begin())];
      if (at != SIZE_MAX) {
        items[at].tensors.push_back(i);
        continue;
      }
      at = items.size();
    }
    AllocationItem item{{i}, candidates(plan[i].columns), {}};
    item.choices.resize(item.types.size());
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace

std::vector<AllocationItem> measure_choices(const Checkpoint& original, const Plan& plan,
                                            QuantizeMethod method,
                                            const CalibrationData& calibration,
                                            const QuantizeOptions& options, const fs::path& folder,
                                            ThreadPool& pool) {
  std::vector<AllocationItem> items = items_of(original.architecture(), plan);
  Measure measure(original, plan, method, calibration, options, folder, pool);
  Progress progress("measure", items.size(), "tensors");
  for (std::size_t i = 0; i < items.size(); ++i) {
    stop_if_interrupted("run the same command again");
    measure.add(items[i]);
    progress.update(i + 1, plan[items[i].tensors[0]].name);
  }
  return items;
}

Plan plan_for_budget(const Checkpoint& original, const Plan& any, std::uint64_t budget,
                     QuantizeMethod method, const CalibrationData& calibration,
                     const QuantizeOptions& options, const fs::path& folder, ThreadPool& pool) {
  const std::vector<AllocationItem> items =
      measure_choices(original, any, method, calibration, options, folder, pool);
  std::vector<std::vector<Choice>> choices;
  for (const AllocationItem& item : items) choices.push_back(item.choices);
  // Vectors take their bytes in any case: an item of one choice.
  Choice fixed;
  for (const PlannedTensor& tensor : any) {
    if (!tensor.matrix) fixed.bytes += (tensor.bytes() + 31) / 32 * 32;
  }
  choices.push_back({fixed});
  const std::vector<std::size_t> picks = allocate(choices, budget);
  Plan plan = any;
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (const std::size_t index : items[i].tensors) plan[index].type = items[i].types[picks[i]];
  }
  return plan;
}

}  // namespace limbeck
