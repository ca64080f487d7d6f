// limbeck quantize: a model into a GGUF file of fewer bits.
#include "limbeck/quantize/quantize.h"

#include <fmt/core.h>

#include <filesystem>
#include <string>
#include <vector>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/quantize/mixes.h"

namespace limbeck::cli {
namespace {

constexpr std::uint64_t kCalibrationLimit = 256u << 20;  // bytes of one text

struct Flags {
  std::string model, output, method, importance;
  std::vector<std::string> calibration;
};

QuantizeMethod method_of(const Flags& flags) {
  const bool text = !flags.calibration.empty(), file = !flags.importance.empty();
  if (flags.method.empty()) {
    return text ? QuantizeMethod::gptq : file ? QuantizeMethod::imatrix : QuantizeMethod::rtn;
  }
  if (flags.method == "rtn") return QuantizeMethod::rtn;
  if (flags.method == "imatrix" && (text || file)) return QuantizeMethod::imatrix;
  if (flags.method == "gptq" && text) return QuantizeMethod::gptq;
  if (flags.method != "imatrix" && flags.method != "gptq") {
    fail(ErrorKind::usage, "--method is '{}', expected rtn, imatrix or gptq", flags.method);
  }
  fail_try(ErrorKind::usage, "--calibration FILE", "--method {} needs calibration text",
           flags.method);
}

std::string type_names() {
  std::string names;
  for (const Mix& mix : mixes()) names += (names.empty() ? "" : " ") + std::string(mix.name);
  return names;
}

Json to_json(const QuantizeResult& result) {
  Json tensors = Json::array();
  for (const QuantizedTensor& tensor : result.tensors) {
    tensors.push_back(Json{{"name", tensor.name},
                           {"type", info(tensor.type).name},
                           {"weights", tensor.weights},
                           {"bytes", tensor.bytes},
                           {"relative_error", tensor.relative_error}});
  }
  return Json{{"schema", 1},
              {"bytes", result.bytes},
              {"bits_per_weight", result.bits_per_weight},
              {"seconds", result.seconds},
              {"peak_bytes", result.peak_bytes},
              {"tensors", tensors}};
}

void report(const Checkpoint& checkpoint, const std::string& output, const QuantizeResult& result) {
  const auto before = static_cast<double>(checkpoint.file_bytes());
  const auto after = static_cast<double>(result.bytes);
  print(fmt::format("{}: {} -> {} ({:.1f} % of it), {:.3f} bits per weight, {}, peak memory {}\n",
                    output, human_bytes(before), human_bytes(after), 100 * after / before,
                    result.bits_per_weight, human_seconds(result.seconds),
                    human_bytes(static_cast<double>(result.peak_bytes))));
}

}  // namespace

int run_quantize(int argc, char** argv) {
  Arguments arguments("quantize", "A model into a GGUF file of fewer bits",
                      "limbeck quantize models/small -o small.gguf --type q4_k\n"
                      "limbeck quantize big.gguf -o big-q3.gguf --type q3_k_m --calibration a.txt");
  Flags flags;
  QuantizeOptions options;
  CLI::App& app = arguments.app();
  app.add_option("model", flags.model, "A Hugging Face folder or a .gguf file")->required();
  app.add_option("-o,--output", flags.output, "The .gguf file to write")->required();
  app.add_option("--type", options.type, "One of: " + type_names());
  app.add_option("--method", flags.method,
                 "rtn, imatrix or gptq; default: gptq with --calibration, else imatrix with "
                 "--importance, else rtn");
  app.add_option("--calibration", flags.calibration, "Text files like what the model will read");
  app.add_option("--importance", flags.importance, "An importance file (imatrix GGUF)");
  app.add_option("--on-nan", options.on_nan, "NaN or infinite weights: fail, or zero them");
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;

  options.method = method_of(flags);
  options.importance_file = flags.importance;
  for (const std::string& path : flags.calibration) {
    options.calibration_texts.push_back(read_file(path, kCalibrationLimit));
  }
  const Checkpoint checkpoint = Checkpoint::open(flags.model);
  ThreadPool pool(arguments.common().threads);
  const QuantizeResult result = quantize_model(checkpoint, flags.output, options, pool);
  if (arguments.common().json) {
    print_json(to_json(result));
  } else {
    report(checkpoint, flags.output, result);
  }
  return 0;
}

}  // namespace limbeck::cli
