#include "limbeck/quantize/quantize.h"

#include <fmt/core.h>
#include <sys/resource.h>

#include <chrono>

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

namespace limbeck {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kHeaderAllowance = 16u << 20;  // of metadata; vocabularies are a few MB

std::string_view method_name(QuantizeMethod method) {
  switch (method) {
    case QuantizeMethod::rtn:
      return "rtn";
    case QuantizeMethod::imatrix:
      return "imatrix";
    case QuantizeMethod::gptq:
      return "gptq";
  }
  return "";
}

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
  job["method"] = method_name(options.method);
  job["on_nan"] = options.on_nan;
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
        output_(output),
        options_(options),
        pool_(pool),
        mix_(find_mix(options.type)),
        on_nan_(on_nan_of(options.on_nan)) {}

  QuantizeResult operator()() {
    const auto start = std::chrono::steady_clock::now();
    prepare();
    plan_ = plan_mix(mix_, checkpoint_.architecture(), !importance_.entries.empty());
    const std::uint64_t bytes = total_bytes(plan_) + kHeaderAllowance;
    check_free_space(output_, 2 * bytes);  // the parts, then the whole
    const std::string job = job_text(checkpoint_, options_, plan_, calibration_hash_);
    Journal journal(output_.string() + ".parts", job);
    round_all(journal);
    write(journal);
    result_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    result_.peak_bytes = peak_memory();
    journal.remove();
    return std::move(result_);
  }

 private:
  void prepare() {
    if (options_.method == QuantizeMethod::rtn) return;
    if (!options_.importance_file.empty()) {
      importance_ = read_importance(options_.importance_file);
      calibration_hash_ = sha256_file(options_.importance_file);
    }
  }

  void round_all(Journal& journal) {
    Progress progress("quantize", source_bytes(checkpoint_, plan_), "B");
    std::uint64_t done = 0;
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      stop_if_interrupted("run the same command again");
      const PlannedTensor& tensor = plan_[i];
      std::optional<Json> facts = journal.find(i);
      const Weight weight = checkpoint_.at(tensor.name);
      if (!facts) {
        const RoundedTensor rounded = round_one(tensor, weight);
        facts = Json{{"name", tensor.name},
                     {"type", info(tensor.type).name},
                     {"error", rounded.relative_error()},
                     {"method", method_of(tensor)}};
        journal.store(i, rounded.bytes, *facts);
      }
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

  std::string method_of(const PlannedTensor& tensor) const {
    if (!is_quantized(tensor.type)) return "copy";
    return std::string(
        method_name(importance_.of(tensor.name).empty() ? QuantizeMethod::rtn : options_.method));
  }

  RoundedTensor round_one(const PlannedTensor& tensor, const Weight& weight) {
    const std::vector<float> importance =
        tensor.matrix ? importance_.of(tensor.name) : std::vector<float>{};
    if (!importance.empty() && importance.size() != static_cast<std::size_t>(tensor.columns)) {
      fail(ErrorKind::format, "the importance of '{}' has {} columns, the tensor {}", tensor.name,
           importance.size(), tensor.columns);
    }
    return round_tensor(weight, tensor.name, tensor.type, importance, on_nan_, pool_);
  }

  Json manifest() const {
    Json quantization;
    quantization["limbeck"] = version();
    quantization["type"] = mix_.name;
    quantization["method"] = method_name(options_.method);
    if (!calibration_hash_.empty()) quantization["calibration"] = {{"sha256", calibration_hash_}};
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
  const fs::path& output_;
  const QuantizeOptions& options_;
  ThreadPool& pool_;
  const Mix& mix_;
  OnNan on_nan_;
  Importance importance_;
  std::string calibration_hash_;
  Plan plan_;
  Json records_ = Json::array();
  QuantizeResult result_;
};

}  // namespace

QuantizeResult quantize_model(const Checkpoint& checkpoint, const fs::path& output,
                              const QuantizeOptions& options, ThreadPool& pool) {
  return Run(checkpoint, output, options, pool)();
}

}  // namespace limbeck
