#include "limbeck/quantize/variant.h"

#include <algorithm>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/mapped_file.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/version.h"
#include "limbeck/quantize/solve_tensor.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kHeldBytes = 256u << 20;  // of rounded tensors

std::uint64_t source_bytes(const Checkpoint& checkpoint, const Plan& plan) {
  std::uint64_t bytes = 0;
  for (const PlannedTensor& tensor : plan) bytes += checkpoint.at(tensor.name).bytes.size();
  return bytes;
}

// Under a ceiling nothing more than what is worked on is in memory.
JournalHold hold_of(const QuantizeOptions& options) {
  if (options.max_memory > 0) return {};
  return {options.hold_seconds, kHeldBytes};
}

OnNan on_nan_of(const std::string& text) {
  if (text == "fail") return OnNan::fail;
  if (text == "zero") return OnNan::zero;
  fail(ErrorKind::usage, "--on-nan is '{}', expected fail or zero", text);
}

}  // namespace

void check_solver_memory(const Architecture& architecture, const Plan& plan,
                         std::uint64_t max_memory) {
  std::uint64_t columns = 0;
  for (const PlannedTensor& tensor : plan) {
    if (has_input(architecture, tensor) && can_solve(tensor.type))
      columns = std::max(columns, static_cast<std::uint64_t>(tensor.columns));
  }
  // The moments, their damped copy, its factor in double and the factor kept: three quarters.
  const std::uint64_t needed = columns * columns * (3 * sizeof(float) + sizeof(double)) / 3 * 4;
  if (needed > max_memory)
    fail_try(ErrorKind::usage, fmt::format("--max-memory {}, or --method imatrix", needed),
             "--max-memory {} is too little for error feedback on {} inputs of a layer", max_memory,
             columns);
}

Variant::Variant(const Checkpoint& original, Plan plan, QuantizeMethod method,
                 const CalibrationData& calibration, const QuantizeOptions& options,
                 const fs::path& folder, ThreadPool& pool)
    : original_(original),
      rounded_(Checkpoint::open(original.path())),
      plan_(std::move(plan)),
      method_(method),
      calibration_(calibration),
      options_(options),
      on_nan_(on_nan_of(options.on_nan)),
      journal_(folder, job(), hold_of(options)),
      pool_(pool) {
  if (method != QuantizeMethod::gptq) return;
  StatisticsSource::Options how;
  how.sequential = options.gptq.sequential;
  how.layered = layered_under(options.max_memory, folder.parent_path());
  if (options.max_memory > 0) how.moment_bytes = options.max_memory / 4;
  source_ = std::make_unique<StatisticsSource>(rounded_, calibration.sequences, plan_, how, pool);
}

// What identifies the parts: the same job gives the same bytes.
std::string Variant::job() const {
  const GptqOptions& gptq = options_.gptq;
  Json job;
  job["limbeck"] = version();
  job["model"] = fs::absolute(original_.path()).lexically_normal().string();
  job["model_bytes"] = original_.file_bytes();
  job["model_time"] = fs::last_write_time(original_.path()).time_since_epoch().count();
  job["method"] = name(method_);
  job["on_nan"] = options_.on_nan;
  job["gptq"] = {
      gptq.damping,         gptq.sequential,   gptq.solver.rounds,  gptq.solver.code_passes,
      gptq.solver.feedback, gptq.solver.refit, options_.max_memory, gptq.solver.table_rounds};
  job["calibration"] = calibration_.sha256;
  Json types = Json::array();
  for (const PlannedTensor& tensor : plan_) types.push_back(info(tensor.type).name);
  job["types"] = std::move(types);
  return to_text(job);
}

std::optional<std::size_t> Variant::group_of(const PlannedTensor& tensor) const {
  if (!source_ || !has_input(original_.architecture(), tensor)) return std::nullopt;
  return source_->group_of(input_of(original_.architecture(), tensor.name));
}

// Of the first tensor that the journal lacks and whose input has statistics.
std::optional<std::size_t> Variant::unfinished_group() const {
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    const auto group = group_of(plan_[i]);
    if (group && !journal_.find(i)) return group;
  }
  return std::nullopt;
}

void Variant::round_all() {
  // Its statistics are gathered again, from the model as it was then: what was rounded since is
  // rounded again, so that a resumed job ends with the bytes of one that was left alone.
  const std::optional<std::size_t> again = unfinished_group();
  Progress progress(std::string("quantize"), source_bytes(original_, plan_), "B");
  std::uint64_t done = 0;
  records_ = Json::array();
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    stop_if_interrupted("run the same command again");
    const PlannedTensor& tensor = plan_[i];
    std::optional<Json> facts;
    if (!again || group_of(tensor) != again) facts = journal_.find(i);
    const Weight weight = original_.at(tensor.name);
    if (!facts) {
      std::string_view method;
      RoundedTensor rounded = round_one(tensor, weight, method);
      facts = Json{{"name", tensor.name},
                   {"type", info(tensor.type).name},
                   {"error", rounded.relative_error()},
                   {"method", method}};
      journal_.store(i, std::move(rounded.bytes), *facts);
    }
    use_rounded(tensor, i);
    facts->erase("bytes");
    records_.push_back(*std::move(facts));
    if (options_.max_memory > 0) release_mapped(weight.bytes);
    progress.update(done += weight.bytes.size(), tensor.name);
  }
}

// Later layers get their inputs from the model as far as it is rounded.
void Variant::use_rounded(const PlannedTensor& tensor, std::size_t index) {
  if (!tensor.matrix) return;
  if (const auto held = journal_.held(index)) {
    rounded_.replace(tensor.name, {tensor.type, tensor.rows, tensor.columns, *held, held});
    return;
  }
  mapped_.push_back(journal_.map(index));
  rounded_.replace(tensor.name,
                   {tensor.type, tensor.rows, tensor.columns, mapped_.back().bytes(), {}});
}

bool Variant::solvable(const PlannedTensor& tensor) const {
  return method_ == QuantizeMethod::gptq && has_input(original_.architecture(), tensor) &&
         can_solve(tensor.type);
}

RoundedTensor Variant::round_one(const PlannedTensor& tensor, const Weight& weight,
                                 std::string_view& method) {
  if (on_nan_ == OnNan::fail) {
    if (auto exact = recode_exactly(weight, tensor.name, tensor.type, pool_)) {
      method = "exact";
      return *std::move(exact);
    }
  }
  if (solvable(tensor)) {
    const std::string input = input_of(original_.architecture(), tensor.name);
    if (const Hessian* hessian = source_->find(input)) {
      method = "gptq";
      if (matrices_input_ != input) {
        matrices_ = solver_matrices(*hessian, options_.gptq.damping, tensor.name, pool_);
        matrices_input_ = input;
      }
      return solve_tensor(weight, tensor.name, tensor.type, matrices_, options_.gptq.solver,
                          on_nan_, pool_);
    }
  }
  std::vector<float> importance;
  if (tensor.matrix && is_quantized(tensor.type) && method_ != QuantizeMethod::rtn) {
    importance = calibration_.importance.of(tensor.name);
  }
  if (!importance.empty() && importance.size() != static_cast<std::size_t>(tensor.columns)) {
    fail(ErrorKind::format, "the importance of '{}' has {} columns, the tensor {}", tensor.name,
         importance.size(), tensor.columns);
  }
  method = !is_quantized(tensor.type) ? "copy" : importance.empty() ? "rtn" : "imatrix";
  return round_tensor(weight, tensor.name, tensor.type, importance, on_nan_, pool_);
}

}  // namespace limbeck
