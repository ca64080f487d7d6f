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
#include "limbeck/base/version.h"
#include "limbeck/quantize/calibration_data.h"
#include "limbeck/quantize/divergence.h"
#include "limbeck/quantize/file_budget.h"
#include "limbeck/quantize/file_manifest.h"
#include "limbeck/quantize/healing.h"
#include "limbeck/quantize/sensitivity.h"
#include "limbeck/quantize/variant.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMethods[] = {"rtn", "imatrix", "gptq"};  // in enum order

std::uint64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;  // Linux counts kilobytes
}

class Run {
 public:
  Run(const Checkpoint& checkpoint, const fs::path& output, const QuantizeOptions& options,
      ThreadPool& pool)
      : checkpoint_(checkpoint), output_(output), options_(options), pool_(pool) {}

  QuantizeResult operator()() {
    const auto start = std::chrono::steady_clock::now();
    const bool by_budget = options_.bits_per_weight > 0 || options_.size > 0;
    const Mix* mix = by_budget ? nullptr : &find_mix(options_.type);  // refused before any work
    if (const std::string trained = trained_type(checkpoint_.manifest());
        !trained.empty() &&
        (!mix || trained != mix->name || options_.method != QuantizeMethod::rtn)) {
      note(fmt::format("this model was trained for --type {} --method rtn", trained));
    }
    if (options_.healer && mix) check_can_heal(checkpoint_, mix_plan(*mix));
    if (options_.max_memory > 0 && options_.method == QuantizeMethod::gptq)
      check_solver_memory(checkpoint_.architecture(), mix_plan(mix ? *mix : find_mix("q4_0")),
                          options_.max_memory);
    calibration_ = calibrate(checkpoint_, options_, output_.parent_path(), pool_);
    const Plan plan = by_budget ? budget_plan() : mix_plan(*mix);
    if (options_.healer) {
      check_can_heal(checkpoint_, plan);
      check_healing_text(calibration_.healing, calibration_.held_out);
    }
    check_free_space(output_, 2 * total_bytes(plan) + header_bytes(checkpoint_, plan));
    best_ = make(plan, options_.method, ".parts");
    type_name_ = by_budget ? "mixed" : std::string(mix->name);
    if (by_budget) compare_with_mix();
    if (options_.method == QuantizeMethod::gptq) guard();
    if (options_.healer) heal();
    write(mix ? mix->file_type : -1);
    for (const auto& variant : variants_) variant->remove_parts();
    result_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    result_.peak_bytes = peak_memory();
    return std::move(result_);
  }

 private:
  Plan mix_plan(const Mix& mix) const {
    return plan_mix(mix, checkpoint_.architecture(), options_.method != QuantizeMethod::rtn);
  }

  // Bytes that the tensors may take.
  Plan budget_plan() {
    if (calibration_.sequences.empty()) {
      fail_try(ErrorKind::usage, "--calibration FILE",
               "a budget needs calibration text, to know what each tensor is worth");
    }
    const Plan any = mix_plan(find_mix("q8_0"));
    const std::uint64_t more = options_.healer && options_.size > kHealingBytes ? kHealingBytes : 0;
    budget_ = tensor_budget(checkpoint_, any, options_.bits_per_weight, options_.size - more);
    return plan_for_budget(checkpoint_, any, budget_, options_.method, calibration_, options_,
                           fs::absolute(output_).parent_path(), pool_);
  }

  Variant* make(const Plan& plan, QuantizeMethod method, const std::string& suffix) {
    variants_.push_back(std::make_unique<Variant>(checkpoint_, plan, method, calibration_, options_,
                                                  output_.string() + suffix, pool_));
    variants_.back()->round_all();
    return variants_.back().get();
  }

  double kl(const Checkpoint& tried, const TokenSequences& sequences) {
    return layered_divergence(checkpoint_, tried, sequences, pool_,
                              layered_under(options_.max_memory, output_.parent_path()))
        .mean_kl;
  }
  double kl(const Variant& variant, const TokenSequences& sequences) {
    return kl(variant.rounded(), sequences);
  }

  void note(std::string text) {
    say(text);
    result_.notes.push_back(std::move(text));
  }

  // Never worse than the largest standard mix that fits.
  void compare_with_mix() {
    if (calibration_.held_out.empty()) return;
    const Mix* largest = nullptr;
    std::uint64_t most = 0;
    for (const Mix& mix : mixes()) {
      const std::uint64_t bytes = total_bytes(mix_plan(mix));
      if (is_quantized(mix.base) && bytes <= budget_ && bytes > most) {
        most = bytes;
        largest = &mix;
      }
    }
    if (!largest) return;
    Variant* mix = make(mix_plan(*largest), options_.method, ".mix-parts");
    const double ours = kl(*best_, calibration_.held_out), theirs = kl(*mix, calibration_.held_out);
    note(fmt::format("chosen types: KL {:.5f}; {} ({} bytes of {}): KL {:.5f}", ours, largest->name,
                     most, budget_, theirs));
    if (ours <= theirs) return;
    best_ = mix;
    type_name_ = largest->name;
    note(fmt::format("{} is the better one and is used", largest->name));
  }

  struct Domain {
    const char* name;
    const TokenSequences& sequences;
  };
  // What variants are compared on, beside the text that made them.
  std::vector<Domain> domains() const {
    std::vector<Domain> all;
    if (!calibration_.held_out.empty()) {
      all.push_back({"held-out calibration text", calibration_.held_out});
    }
    if (!calibration_.guard.empty()) all.push_back({"guard text", calibration_.guard});
    return all;
  }

  // Error feedback must not do worse on text it has not seen than importance rounding does.
  void guard() {
    if (calibration_.held_out.empty() && calibration_.guard.empty()) return;
    Variant* plain = make(best_->plan(), QuantizeMethod::imatrix, ".guard-parts");
    bool worse = false;
    for (const Domain& domain : domains()) {
      const double solved = kl(*best_, domain.sequences), rounded = kl(*plain, domain.sequences);
      note(fmt::format("{}: KL {:.5f} with error feedback, {:.5f} by importance rounding",
                       domain.name, solved, rounded));
      worse = worse || solved > rounded;
    }
    if (!worse) return;
    best_ = plain;
    note("error feedback did worse: importance rounding is used");
  }

  // Judged by the runtime, on the bytes to be written: never worse than before.
  void heal() {
    Healed healed = options_.healer(checkpoint_, best_->rounded(), calibration_.healing,
                                    calibration_.held_out, best_->parts() / "healing");
    const Checkpoint tried = with_healed(best_->rounded(), best_->plan(), healed);
    bool worse = false;
    for (const Domain& domain : domains()) {
      const double before = kl(*best_, domain.sequences), after = kl(tried, domain.sequences);
      note(fmt::format("{}: KL {:.5f} healed, {:.5f} before", domain.name, after, before));
      worse = worse || !(after < before);
      if (&domain.sequences != &calibration_.held_out) continue;
      healed.record["kl_before"] = before;
      healed.record["kl_after"] = after;
    }
    result_.healing = healed.record;
    result_.healing["kept"] = !worse;
    if (worse) {
      note("healing did not help: the scales are kept as they were rounded");
      return;
    }
    healed_ = std::move(healed);
  }

  // Of the tensors as they are written.
  Json records() const {
    Json records = best_->records();
    for (std::size_t i = 0; i < records.size(); ++i) {
      const PlannedTensor& tensor = best_->plan()[i];
      const auto found = healed_.tensors.find(tensor.name);
      if (found == healed_.tensors.end()) continue;
      RoundedTensor rounded{.bytes = found->second};
      measure_error(checkpoint_.at(tensor.name), tensor.name, tensor.type, OnNan::zero, pool_,
                    rounded);
      records[i]["error"] = rounded.relative_error();
      records[i]["method"] = records[i]["method"].get<std::string>() + "+heal";
    }
    return records;
  }

  std::vector<std::byte> bytes(std::size_t i) const {
    const auto found = healed_.tensors.find(best_->plan()[i].name);
    return found == healed_.tensors.end() ? best_->bytes(i) : found->second;
  }

  Json manifest(Json tensors) const {
    Json quantization;
    quantization["limbeck"] = version();
    quantization["type"] = type_name_;
    quantization["method"] = name(best_->method());
    if (!calibration_.sha256.empty()) {
      quantization["calibration"] = {{"sha256", calibration_.sha256},
                                     {"tokens", calibration_.tokens}};
    }
    quantization["notes"] = result_.notes;
    if (!result_.healing.is_null()) quantization["healing"] = result_.healing;
    quantization["tensors"] = std::move(tensors);
    Json manifest = options_.manifest.is_object() ? options_.manifest : checkpoint_.manifest();
    manifest["quantization"] = std::move(quantization);
    return manifest;
  }

  void write(int file_type) {
    const Plan& plan = best_->plan();
    const Json all_records = records();
    std::vector<NamedTensor> tensors;
    std::int64_t weights = 0;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < plan.size(); ++i) {
      const PlannedTensor& tensor = plan[i];
      const bool vector = tensor.rows == 1 && !tensor.matrix;
      const Shape shape = vector ? Shape{tensor.columns} : Shape{tensor.rows, tensor.columns};
      tensors.push_back({tensor.name, tensor.type, shape, [this, i] { return this->bytes(i); }});
      weights += tensor.weights();
      bytes += tensor.bytes();
      result_.tensors.push_back({.name = tensor.name,
                                 .type = tensor.type,
                                 .weights = tensor.weights(),
                                 .bytes = tensor.bytes(),
                                 .relative_error = all_records[i].at("error").get<double>()});
    }
    WriteOptions how;
    how.manifest = manifest(compact_records(all_records));
    how.file_type = file_type;
    const Tokenizer* tokenizer = checkpoint_.has_tokenizer() ? &checkpoint_.tokenizer() : nullptr;
    write_gguf_model(output_, checkpoint_.architecture(), tokenizer, tensors, how);
    write_file(output_.string() + ".json", to_text(manifest(all_records), 1) + "\n");
    result_.bytes = fs::file_size(output_);
    result_.bits_per_weight = 8 * static_cast<double>(bytes) / static_cast<double>(weights);
    result_.method = name(best_->method());
  }

  const Checkpoint& checkpoint_;
  const fs::path& output_;
  const QuantizeOptions& options_;
  ThreadPool& pool_;
  CalibrationData calibration_;
  std::uint64_t budget_ = 0;
  std::string type_name_;
  std::vector<std::unique_ptr<Variant>> variants_;
  Variant* best_ = nullptr;
  Healed healed_;  // of `best_`; empty: nothing was healed
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

std::string trained_type(const Json& manifest) {
  if (!manifest.is_object()) return {};
  const auto training = manifest.find("training");
  if (training == manifest.end() || !training->is_object()) return {};
  const auto type = training->find("quantize");
  return type != training->end() && type->is_string() ? type->get<std::string>() : "";
}

QuantizeResult quantize_model(const Checkpoint& checkpoint, const fs::path& output,
                              const QuantizeOptions& options, ThreadPool& pool) {
  return Run(checkpoint, output, options, pool)();
}

}  // namespace limbeck
