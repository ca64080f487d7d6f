#include "limbeck/pipeline/bits_curve.h"

#include <charconv>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/sha256.h"
#include "limbeck/model/mixes.h"
#include "limbeck/pipeline/quantized_form.h"
#include "limbeck/pipeline/run_folder.h"
#include "limbeck/teacher/label.h"

namespace limbeck::pipeline {
namespace {

constexpr double kFullBits = 15.5;

QuantizedForm form_of(const std::string& text) {
  struct Size {
    std::string_view bits, type;
  };
  static constexpr Size kSizes[] = {{"16", "f16"},   {"8", "q8_0"},   {"6", "q6_k"},
                                    {"5", "q5_k_m"}, {"4", "q4_k_m"}, {"3", "q3_k_m"},
                                    {"2", "q2_k"}};
  for (const Size& size : kSizes) {
    if (text == size.bits) return {.type = std::string(size.type)};
  }
  double bits = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
  if (error == std::errc() && end == text.data() + text.size()) {
    if (bits >= 1.5 && bits <= 16) return {.bits_per_weight = bits};
    fail_try(ErrorKind::usage, "for example --bits 8,4,3,2", "--bits: {} is not in [1.5, 16]",
             text);
  }
  return {.type = std::string(find_mix(text).name)};
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
  }

  ComparedModel make(const QuantizedForm& form) {
    const QuantizeMethod method = method_for(form, options_.bits_method, !text_.empty());
    const std::string name = fmt::format("{}-{}", last_name(base_), form.label());
    const std::string key = key_of({hash_, form.label(), limbeck::name(method),
                                    method == QuantizeMethod::rtn ? "" : sha256_hex(text_)});
    const auto path = options_.cache / "quantized" / (key.substr(0, 16) + "-" + name + ".gguf");
    if (!std::filesystem::exists(path)) {
      std::filesystem::create_directories(path.parent_path());
      quantize_form(checkpoint_, form, options_.bits_method, text_, path, pool_);
      stop_if_interrupted("run the same command again: what was made is kept");
    }
    return {name, path.string(), base_.role.starts_with("distilled") ? "distilled+quantized" : "",
            last_name(base_)};
  }

 private:
  const ComparedModel& base_;
  const Checkpoint& checkpoint_;
  const CompareOptions& options_;
  ThreadPool& pool_;
  std::string hash_, text_;
};

}  // namespace

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
