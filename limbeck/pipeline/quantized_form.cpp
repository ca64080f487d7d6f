#include "limbeck/pipeline/quantized_form.h"

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/terminal.h"
#include "limbeck/teacher/label.h"

namespace limbeck::pipeline {
namespace {

constexpr std::size_t kMostCalibrationBytes = 1u << 20;  // four times what is taken of it

}  // namespace

std::string QuantizedForm::label() const {
  if (bits_per_weight > 0) return fmt::format("{}bpw", bits_per_weight);
  if (size > 0) return fmt::format("{}MB", static_cast<double>(size) / 1e6);
  return type;
}

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

QuantizeMethod method_for(const QuantizedForm& form, const std::string& asked, bool calibrates,
                          const Json& manifest) {
  const bool chosen = form.type.empty();  // types are chosen by what they cost on a text
  if (!asked.empty()) {
    const QuantizeMethod method = quantize_method(asked);
    if (method != QuantizeMethod::rtn && !calibrates)
      fail_try(ErrorKind::usage, "give a task with training inputs, or the method rtn",
               "method {} needs text to calibrate on", asked);
    return method;
  }
  if (!chosen && trained_type(manifest) == form.type)
    return QuantizeMethod::rtn;  // its weights lie on this grid
  // Eight bits and more: rounding is exact enough, calibration would only cost time.
  const bool wide = form.type == "q8_0" || form.type == "f16" || form.type == "bf16";
  return (calibrates && !wide) || chosen ? QuantizeMethod::gptq : QuantizeMethod::rtn;
}

QuantizeResult quantize_form(const Checkpoint& checkpoint, const QuantizedForm& form,
                             const std::string& asked_method, const std::string& calibration,
                             const std::filesystem::path& output, ThreadPool& pool) {
  QuantizeOptions options;
  if (!form.type.empty()) options.type = form.type;
  options.bits_per_weight = form.bits_per_weight;
  options.size = form.size;
  options.method = method_for(form, asked_method, !calibration.empty(), checkpoint.manifest());
  options.manifest = checkpoint.manifest();
  if (options.method != QuantizeMethod::rtn) options.calibration_texts = {calibration};
  try {
    return quantize_model(checkpoint, output, options, pool);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage || options.method == QuantizeMethod::rtn ||
        !asked_method.empty() || form.type.empty())
      throw;
    say(fmt::format("{}: {}; rounded without calibration", output.filename().string(),
                    error.what()));
  }
  options.method = QuantizeMethod::rtn;
  options.calibration_texts.clear();
  return quantize_model(checkpoint, output, options, pool);
}

}  // namespace limbeck::pipeline
