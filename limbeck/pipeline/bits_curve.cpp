#include "limbeck/pipeline/bits_curve.h"

#include <charconv>
#include <optional>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/sha256.h"
#include "limbeck/model/mixes.h"
#include "limbeck/pipeline/run_folder.h"
#include "limbeck/quantize/quantize.h"
#include "limbeck/teacher/label.h"

namespace limbeck::pipeline {
namespace {

constexpr std::size_t kMostCalibrationBytes = 1u << 20;  // four times what is taken of it
constexpr double kFullBits = 15.5;

// One wanted form: a type, or bits per weight.
struct Form {
  std::string type;
  double bits_per_weight = 0;
  std::string label() const {
    return bits_per_weight > 0 ? fmt::format("{}bpw", bits_per_weight) : type;
  }
};

Form form_of(const std::string& text) {
  struct Size {
    std::string_view bits, type;
  };
  static constexpr Size kSizes[] = {{"16", "f16"},   {"8", "q8_0"},   {"6", "q6_k"},
                                    {"5", "q5_k_m"}, {"4", "q4_k_m"}, {"3", "q3_k_m"},
                                    {"2", "q2_k"}};
  for (const Size& size : kSizes) {
    if (text == size.bits) return {std::string(size.type), 0};
  }
  double bits = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
  if (error == std::errc() && end == text.data() + text.size()) {
    if (bits >= 1.5 && bits <= 16) return {"", bits};
    fail_try(ErrorKind::usage, "for example --bits 8,4,3,2", "--bits: {} is not in [1.5, 16]",
             text);
  }
  return {std::string(find_mix(text).name), 0};
}

std::string last_name(const ComparedModel& model) {
  if (!model.name.empty()) return model.name;
  const std::filesystem::path path = std::filesystem::path(model.path).lexically_normal();
  return (path.has_filename() ? path.stem() : path.parent_path().filename()).string();
}

bool is_full(const Checkpoint& checkpoint) {
  std::uint64_t bytes = 0;
  for (const NamedTensor& tensor : tensors_of(checkpoint)) {
    std::int64_t weights = 1;
    for (const std::int64_t size : tensor.shape) weights *= size;
    bytes += row_bytes(tensor.type, weights);
  }
  return 8 * static_cast<double>(bytes) /
             static_cast<double>(parameter_count(checkpoint.architecture())) >=
         kFullBits;
}

// Makes one form of a model and says where it is.
class Maker {
 public:
  Maker(const ComparedModel& base, const Checkpoint& checkpoint, const CompareOptions& options,
        const Task* task, ThreadPool& pool)
      : base_(base), checkpoint_(checkpoint), options_(options), pool_(pool) {
    hash_ = content_hash(base.path);
    if (task && checkpoint.has_tokenizer())
      text_ = calibration_text(*task, prompt_style_of(checkpoint.manifest()));
    if (!options.bits_method.empty()) {
      method_ = quantize_method(options.bits_method);
      if (method_ != QuantizeMethod::rtn && text_.empty())
        fail_try(ErrorKind::usage, "give --task with training inputs, or --bits-method rtn",
                 "--bits-method {} needs text to calibrate on", options.bits_method);
    } else if (!text_.empty()) {
      method_ = QuantizeMethod::gptq;
    }
  }

  ComparedModel make(const Form& form) {
    QuantizeMethod method = form.bits_per_weight > 0 ? QuantizeMethod::gptq : method_;
    // Eight bits and more: rounding is exact enough, calibration would only cost time.
    if (options_.bits_method.empty() && (form.type == "q8_0" || form.type == "f16"))
      method = QuantizeMethod::rtn;
    const std::string name = fmt::format("{}-{}", last_name(base_), form.label());
    const std::string key = key_of({hash_, form.label(), limbeck::name(method),
                                    method == QuantizeMethod::rtn ? "" : sha256_hex(text_)});
    const auto path = options_.cache / "quantized" / (key.substr(0, 16) + "-" + name + ".gguf");
    if (!std::filesystem::exists(path)) quantize(path, form, method, name);
    return {name, path.string(), base_.role.starts_with("distilled") ? "distilled+quantized" : "",
            last_name(base_)};
  }

 private:
  void quantize(const std::filesystem::path& path, const Form& form, QuantizeMethod method,
                const std::string& name) {
    std::filesystem::create_directories(path.parent_path());
    QuantizeOptions options;
    if (!form.type.empty()) options.type = form.type;
    options.bits_per_weight = form.bits_per_weight;
    options.method = method;
    options.manifest = checkpoint_.manifest();
    if (method != QuantizeMethod::rtn) options.calibration_texts = {text_};
    try {
      quantize_model(checkpoint_, path, options, pool_);
    } catch (const Error& error) {
      // Too little text is no reason to give up where nobody asked for a method.
      if (error.kind() != ErrorKind::usage || method == QuantizeMethod::rtn ||
          !options_.bits_method.empty() || form.bits_per_weight > 0)
        throw;
      say(fmt::format("{}: {}; rounded without calibration", name, error.what()));
      options.method = QuantizeMethod::rtn;
      options.calibration_texts.clear();
      quantize_model(checkpoint_, path, options, pool_);
    }
    stop_if_interrupted("run the same command again: what was made is kept");
  }

  const ComparedModel& base_;
  const Checkpoint& checkpoint_;
  const CompareOptions& options_;
  ThreadPool& pool_;
  std::string hash_, text_;
  QuantizeMethod method_ = QuantizeMethod::rtn;
};

}  // namespace

std::string calibration_text(const Task& task, PromptStyle style) {
  std::string text;
  for (const Example& example : task.train) {
    for (const Json& message : prompt_messages(task, example.input, style))
      text += message.at("content").get<std::string>() + "\n";
    if (example.output) text += answer_text(task, *example.output) + "\n";
    if (text.size() > kMostCalibrationBytes) break;
  }
  return text;
}

void check_bits(std::span<const std::string> bits) {
  for (const std::string& text : bits) form_of(text);
}

std::vector<ComparedModel> with_bits(const CompareOptions& options, const Task* task,
                                     ThreadPool& pool) {
  if (options.bits.empty()) return options.models;
  if (options.cache.empty())
    fail_try(ErrorKind::usage, "name a folder with --cache", "--bits needs a folder for its files");
  std::vector<ComparedModel> models;
  for (const ComparedModel& model : options.models) {
    models.push_back(model);
    if (is_endpoint(model.path)) continue;
    const Checkpoint checkpoint = Checkpoint::open(model.path);
    if (!is_full(checkpoint)) continue;
    ComparedModel base = model;
    if (base.role.empty() && checkpoint.manifest().contains("teacher")) base.role = "distilled";
    Maker maker(base, checkpoint, options, task, pool);
    for (const std::string& text : options.bits) models.push_back(maker.make(form_of(text)));
  }
  return models;
}

}  // namespace limbeck::pipeline
