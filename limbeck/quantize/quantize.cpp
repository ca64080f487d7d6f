#include "limbeck/quantize/quantize.h"

#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/sha256.h"
#include "limbeck/base/terminal.h"
#include "limbeck/base/version.h"
#include "limbeck/quantize/importance.h"
#include "limbeck/quantize/journal.h"
#include "limbeck/quantize/plan.h"
#include "limbeck/quantize/round_tensor.h"
#include "limbeck/quantize/solve_tensor.h"
#include "limbeck/quantize/statistics_source.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kHeaderAllowance = 16u << 20;  // of metadata; vocabularies are a few MB

constexpr std::string_view kMethods[] = {"rtn", "imatrix", "gptq"};  // in enum order

std::uint64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;  // Linux counts kilobytes
}

std::uint64_t source_bytes(const Checkpoint& checkpoint, const Plan& plan) {
  std::uint64_t bytes = 0;
  for (const PlannedTensor& tensor : plan) bytes += checkpoint.at(tensor.name).bytes.size();
  return bytes;
}

// What identifies a run: the same job gives the same bytes, so its parts may be used again.
std::string job_text(const Checkpoint& checkpoint, const QuantizeOptions& options, const Plan& plan,
                     const std::string& calibration) {
  Json job;
  job["limbeck"] = version();
  job["model"] = fs::absolute(checkpoint.path()).lexically_normal().string();
  job["model_bytes"] = checkpoint.file_bytes();
  job["model_time"] = fs::last_write_time(checkpoint.path()).time_since_epoch().count();
  job["method"] = name(options.method);
  job["on_nan"] = options.on_nan;
  const GptqOptions& gptq = options.gptq;
  job["gptq"] = {gptq.damping,         gptq.sequential,
                 gptq.solver.rounds,   gptq.solver.code_passes,
                 gptq.solver.feedback, gptq.solver.refit};
  job["calibration"] = calibration;
  Json types = Json::array();
  for (const PlannedTensor& tensor : plan) types.push_back(info(tensor.type).name);
  job["types"] = types;
  return to_text(job);
}

OnNan on_nan_of(const std::string& text) {
  if (text == "fail") return OnNan::fail;
  if (text == "zero") return OnNan::zero;
  fail(ErrorKind::usage, "--on-nan is '{}', expected fail or zero", text);
}

class Run {
 public:
  Run(const Checkpoint& checkpoint, const fs::path& output, const QuantizeOptions& options,
      ThreadPool& pool)
      : checkpoint_(checkpoint),
        tried_(Checkpoint::open(checkpoint.path())),
        output_(output),
        options_(options),
        pool_(pool),
        mix_(find_mix(options.type)),
        on_nan_(on_nan_of(options.on_nan)) {}

  QuantizeResult operator()() {
    const auto start = std::chrono::steady_clock::now();
    prepare();
    plan_ = plan_mix(mix_, checkpoint_.architecture(), options_.method != QuantizeMethod::rtn);
    const std::uint64_t bytes = total_bytes(plan_) + kHeaderAllowance;
    check_free_space(output_, 2 * bytes);  // the parts, then the whole
    const std::string job = job_text(checkpoint_, options_, plan_, calibration_hash_);
    Journal journal(output_.string() + ".parts", job);
    open_statistics();
    round_all(journal);
    write(journal);
    result_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    result_.peak_bytes = peak_memory();
    journal.remove();
    return std::move(result_);
  }

 private:
  // What the calibration says; nothing is run yet.
  void prepare() {
    if (options_.method == QuantizeMethod::rtn) return;
    if (!options_.importance_file.empty()) {
      importance_ = read_importance(options_.importance_file);
      calibration_hash_ = sha256_file(options_.importance_file);
    }
    if (options_.calibration_texts.empty()) {
      if (options_.importance_file.empty() || options_.method == QuantizeMethod::gptq) {
        fail(ErrorKind::usage, "method {} needs calibration text", name(options_.method));
      }
      return;
    }
    text_ = tokenize_calibration(options_.calibration_texts, checkpoint_.tokenizer(),
                                 checkpoint_.architecture().context_length, options_.calibration);
    calibration_hash_ = text_.sha256;
  }

  // The inputs that the solver will ask for, in the order of the tensors.
  void open_statistics() {
    if (text_.sequences.empty()) return;
    std::vector<std::pair<std::string, std::int64_t>> inputs;
    for (const PlannedTensor& tensor : plan_) {
      const std::string input = input_of(tensor);
      const bool known = !inputs.empty() && std::ranges::find(inputs, input, [](const auto& row) {
                                              return row.first;
                                            }) != inputs.end();
      if (!known && solvable(tensor)) inputs.emplace_back(input, tensor.columns);
    }
    StatisticsSource::Options how;
    how.sequential = options_.gptq.sequential;
    if (options_.max_memory > 0) how.memory_bytes = options_.max_memory / 4;
    source_ = std::make_unique<StatisticsSource>(tried_, text_, std::move(inputs), how, pool_);
    if (options_.method == QuantizeMethod::imatrix || !options_.save_importance.empty()) {
      importance_ = source_->importance();
    }
    if (!options_.save_importance.empty()) write_importance(options_.save_importance, importance_);
  }

  // The embedding of tied models is the output layer too; a model without a gate knows its FFN's
  // input as ffn_up.
  std::string input_of(const PlannedTensor& tensor) const {
    return checkpoint_.architecture().gated_ffn || role_of(tensor.name).role != Role::ffn_up
               ? input_name(tensor.name)
               : tensor.name;
  }

  bool solvable(const PlannedTensor& tensor) const {
    const bool looked_up =
        role_of(tensor.name).role == Role::embedding && !checkpoint_.architecture().tied_embeddings;
    return options_.method == QuantizeMethod::gptq && tensor.matrix && !looked_up &&
           find_grid_format(tensor.type) && tensor.type != TensorType::mxfp4;
  }

  void round_all(Journal& journal) {
    Progress progress("quantize", source_bytes(checkpoint_, plan_), "B");
    std::uint64_t done = 0;
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      stop_if_interrupted("run the same command again");
      const PlannedTensor& tensor = plan_[i];
      std::optional<Json> facts = journal.find(i);
      const Weight weight = checkpoint_.at(tensor.name);
      std::vector<std::byte> bytes;
      if (facts) {
        if (source_) bytes = journal.bytes(i);
      } else {
        std::string_view method;
        RoundedTensor rounded = round_one(tensor, weight, method);
        facts = Json{{"name", tensor.name},
                     {"type", info(tensor.type).name},
                     {"error", rounded.relative_error()},
                     {"method", method}};
        journal.store(i, rounded.bytes, *facts);
        bytes = std::move(rounded.bytes);
      }
      if (source_ && options_.gptq.sequential) use_rounded(tensor, std::move(bytes));
      result_.tensors.push_back({.name = tensor.name,
                                 .type = tensor.type,
                                 .weights = tensor.weights(),
                                 .bytes = tensor.bytes(),
                                 .relative_error = facts->at("error").get<double>()});
      facts->erase("bytes");
      records_.push_back(*std::move(facts));
      progress.update(done += weight.bytes.size(), tensor.name);
    }
  }

  // Later layers get their inputs from the model as far as it is rounded.
  void use_rounded(const PlannedTensor& tensor, std::vector<std::byte> bytes) {
    if (!tensor.matrix) return;
    auto owned = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
    tried_.replace(tensor.name, {tensor.type, tensor.rows, tensor.columns, *owned, owned});
  }

  RoundedTensor round_one(const PlannedTensor& tensor, const Weight& weight,
                          std::string_view& method) {
    if (solvable(tensor)) {
      if (const Hessian* hessian = source_->find(input_of(tensor))) {
        method = "gptq";
        if (matrices_input_ != input_of(tensor)) {
          matrices_ = solver_matrices(*hessian, options_.gptq.damping, tensor.name, pool_);
          matrices_input_ = input_of(tensor);
        }
        return solve_tensor(weight, tensor.name, tensor.type, matrices_, options_.gptq.solver,
                            on_nan_, pool_);
      }
    }
    std::vector<float> importance;
    if (tensor.matrix && is_quantized(tensor.type) && options_.method != QuantizeMethod::rtn) {
      importance = (source_ ? source_->importance() : importance_).of(tensor.name);
    }
    if (!importance.empty() && importance.size() != static_cast<std::size_t>(tensor.columns)) {
      fail(ErrorKind::format, "the importance of '{}' has {} columns, the tensor {}", tensor.name,
           importance.size(), tensor.columns);
    }
    method = !is_quantized(tensor.type) ? "copy" : importance.empty() ? "rtn" : "imatrix";
    return round_tensor(weight, tensor.name, tensor.type, importance, on_nan_, pool_);
  }

  Json manifest() const {
    Json quantization;
    quantization["limbeck"] = version();
    quantization["type"] = mix_.name;
    quantization["method"] = name(options_.method);
    if (!calibration_hash_.empty()) {
      quantization["calibration"] = {{"sha256", calibration_hash_}, {"tokens", text_.tokens}};
    }
    quantization["tensors"] = records_;
    Json manifest = options_.manifest.is_object() ? options_.manifest : checkpoint_.manifest();
    manifest["quantization"] = std::move(quantization);
    return manifest;
  }

  void write(const Journal& journal) {
    std::vector<NamedTensor> tensors;
    std::int64_t weights = 0;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const PlannedTensor& tensor = plan_[i];
      const bool vector = tensor.rows == 1 && !tensor.matrix;
      const Shape shape = vector ? Shape{tensor.columns} : Shape{tensor.rows, tensor.columns};
      tensors.push_back(
          {tensor.name, tensor.type, shape, [&journal, i] { return journal.bytes(i); }});
      weights += tensor.weights();
      bytes += tensor.bytes();
    }
    const Json description = manifest();
    const Tokenizer* tokenizer = checkpoint_.has_tokenizer() ? &checkpoint_.tokenizer() : nullptr;
    WriteOptions how;
    how.manifest = description;
    how.file_type = mix_.file_type;
    write_gguf_model(output_, checkpoint_.architecture(), tokenizer, tensors, how);
    write_file(output_.string() + ".json", to_text(description, 1) + "\n");
    result_.bytes = fs::file_size(output_);
    result_.bits_per_weight = 8 * static_cast<double>(bytes) / static_cast<double>(weights);
  }

  const Checkpoint& checkpoint_;
  Checkpoint tried_;  // the same, with the tensors rounded so far in place
  const fs::path& output_;
  const QuantizeOptions& options_;
  ThreadPool& pool_;
  const Mix& mix_;
  OnNan on_nan_;
  Importance importance_;
  std::string calibration_hash_;
  CalibrationText text_;
  std::unique_ptr<StatisticsSource> source_;
  SolverMatrices matrices_;  // of the input named below
  std::string matrices_input_;
  Plan plan_;
  Json records_ = Json::array();
  QuantizeResult result_;
};

}  // namespace

std::string_view name(QuantizeMethod method) noexcept {
  return kMethods[static_cast<std::size_t>(method)];
}

QuantizeMethod quantize_method(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kMethods); ++i) {
    if (kMethods[i] == name) return static_cast<QuantizeMethod>(i);
  }
  fail_try(ErrorKind::usage, "one of rtn, imatrix, gptq", "there is no quantization method '{}'",
           name);
}

QuantizeResult quantize_model(const Checkpoint& checkpoint, const fs::path& output,
                              const QuantizeOptions& options, ThreadPool& pool) {
  return Run(checkpoint, output, options, pool)();
}

}  // namespace limbeck
