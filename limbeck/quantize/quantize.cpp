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
#include "limbeck/base/version.h"
#include "limbeck/quantize/divergence.h"
#include "limbeck/quantize/file_budget.h"
#include "limbeck/quantize/file_manifest.h"
#include "limbeck/quantize/sensitivity.h"
#include "limbeck/quantize/variant.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMethods[] = {"rtn", "imatrix", "gptq"};  // in enum order
constexpr std::size_t kHeldOutEvery = 8;        // of the calibration's sequences one is kept back
constexpr std::size_t kComparedSequences = 16;  // at most, in each comparison

std::uint64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;  // Linux counts kilobytes
}

// Keeps one sequence of kHeldOutEvery back.
void split(CalibrationText text, CalibrationData& data) {
  for (std::size_t i = 0; i < text.sequences.size(); ++i) {
    const bool keep = i % kHeldOutEvery == kHeldOutEvery - 1;
    auto& to = keep && data.held_out.size() < kComparedSequences ? data.held_out : data.sequences;
    to.push_back(std::move(text.sequences[i]));
  }
  data.tokens = text.tokens;
  data.sha256 = text.sha256;
}

CalibrationData calibrate(const Checkpoint& checkpoint, const QuantizeOptions& options,
                          ThreadPool& pool) {
  CalibrationData data;
  if (options.method == QuantizeMethod::rtn) return data;
  const std::int64_t context = checkpoint.architecture().context_length;
  if (!options.calibration_texts.empty()) {
    split(tokenize_calibration(options.calibration_texts, checkpoint.tokenizer(), context,
                               options.calibration),
          data);
  } else if (options.importance_file.empty() || options.method == QuantizeMethod::gptq) {
    fail(ErrorKind::usage, "method {} needs calibration text", name(options.method));
  }
  if (!options.guard_texts.empty()) {
    CalibrationOptions few = options.calibration;
    few.max_tokens = static_cast<std::int64_t>(kComparedSequences) * few.chunk;
    data.guard =
        tokenize_calibration(options.guard_texts, checkpoint.tokenizer(), context, few).sequences;
  }
  if (!options.importance_file.empty()) {
    data.importance = read_importance(options.importance_file);
    data.sha256 += (data.sha256.empty() ? "" : "+") + sha256_file(options.importance_file);
  } else {
    Progress progress("importance", data.sequences.size(), "sequences");
    const Model model(checkpoint);
    data.importance = gather_statistics(model, data.sequences, {}, pool, [&](std::size_t done) {
                        stop_if_interrupted("run the same command again");
                        progress.update(done);
                      }).importance;
  }
  if (!options.save_importance.empty()) write_importance(options.save_importance, data.importance);
  return data;
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
    calibration_ = calibrate(checkpoint_, options_, pool_);
    const Plan plan = by_budget ? budget_plan() : mix_plan(*mix);
    check_free_space(output_, 2 * total_bytes(plan) + header_bytes(checkpoint_, plan));
    best_ = make(plan, options_.method, ".parts");
    type_name_ = by_budget ? "mixed" : std::string(mix->name);
    if (by_budget) compare_with_mix();
    if (options_.method == QuantizeMethod::gptq) guard();
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
    budget_ = tensor_budget(checkpoint_, any, options_.bits_per_weight, options_.size);
    return plan_for_budget(checkpoint_, any, budget_, options_.method, calibration_, options_,
                           pool_);
  }

  Variant* make(const Plan& plan, QuantizeMethod method, const std::string& suffix) {
    variants_.push_back(std::make_unique<Variant>(checkpoint_, plan, method, calibration_, options_,
                                                  output_.string() + suffix, pool_));
    variants_.back()->round_all();
    return variants_.back().get();
  }

  double kl(const Variant& variant, const TokenSequences& sequences) {
    return divergence(Model(checkpoint_), Model(variant.rounded()), sequences, pool_).mean_kl;
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

  // Error feedback must not do worse on text it has not seen than importance rounding does.
  void guard() {
    if (calibration_.held_out.empty() && calibration_.guard.empty()) return;
    Variant* plain = make(best_->plan(), QuantizeMethod::imatrix, ".guard-parts");
    struct Domain {
      const char* name;
      const TokenSequences& sequences;
    };
    const Domain domains[] = {{"held-out calibration text", calibration_.held_out},
                              {"guard text", calibration_.guard}};
    bool worse = false;
    for (const Domain& domain : domains) {
      if (domain.sequences.empty()) continue;
      const double solved = kl(*best_, domain.sequences), rounded = kl(*plain, domain.sequences);
      note(fmt::format("{}: KL {:.5f} with error feedback, {:.5f} by importance rounding",
                       domain.name, solved, rounded));
      worse = worse || solved > rounded;
    }
    if (!worse) return;
    best_ = plain;
    note("error feedback did worse: importance rounding is used");
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
    quantization["tensors"] = std::move(tensors);
    Json manifest = options_.manifest.is_object() ? options_.manifest : checkpoint_.manifest();
    manifest["quantization"] = std::move(quantization);
    return manifest;
  }

  void write(int file_type) {
    const Plan& plan = best_->plan();
    std::vector<NamedTensor> tensors;
    std::int64_t weights = 0;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < plan.size(); ++i) {
      const PlannedTensor& tensor = plan[i];
      const bool vector = tensor.rows == 1 && !tensor.matrix;
      const Shape shape = vector ? Shape{tensor.columns} : Shape{tensor.rows, tensor.columns};
      tensors.push_back(
          {tensor.name, tensor.type, shape, [best = best_, i] { return best->bytes(i); }});
      weights += tensor.weights();
      bytes += tensor.bytes();
      result_.tensors.push_back({.name = tensor.name,
                                 .type = tensor.type,
                                 .weights = tensor.weights(),
                                 .bytes = tensor.bytes(),
                                 .relative_error = best_->records()[i].at("error").get<double>()});
    }
    WriteOptions how;
    how.manifest = manifest(compact_records(best_->records()));
    how.file_type = file_type;
    const Tokenizer* tokenizer = checkpoint_.has_tokenizer() ? &checkpoint_.tokenizer() : nullptr;
    write_gguf_model(output_, checkpoint_.architecture(), tokenizer, tensors, how);
    write_file(output_.string() + ".json", to_text(manifest(best_->records()), 1) + "\n");
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
