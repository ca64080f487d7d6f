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
#include "limbeck/model/mixes.h"
#include "limbeck/pipeline/heal.h"
#include "limbeck/pipeline/quantized_form.h"

namespace limbeck::cli {
namespace {

constexpr std::uint64_t kCalibrationLimit = 256u << 20;  // bytes of one text

struct Flags {
  std::string model, output, method, importance, save_importance, size, max_memory;
  std::vector<std::string> calibration, guard;
};

QuantizeMethod method_of(const Flags& flags) {
  const bool text = !flags.calibration.empty(), file = !flags.importance.empty();
  if (flags.method.empty()) {
    return text ? QuantizeMethod::gptq : file ? QuantizeMethod::imatrix : QuantizeMethod::rtn;
  }
  const QuantizeMethod method = quantize_method(flags.method);
  if (method == QuantizeMethod::rtn) return method;
  if (text || (file && method == QuantizeMethod::imatrix)) return method;
  fail_try(ErrorKind::usage, "--calibration FILE", "--method {} needs calibration text",
           flags.method);
}

// The text of a file, or of a task what its models are asked and answer in training.
std::string calibration_of(const std::string& path, const Checkpoint& checkpoint) {
  if (!std::filesystem::is_directory(path)) return read_file(path, kCalibrationLimit);
  const Task task = read_task(path);
  std::string text = pipeline::calibration_text(task, prompt_style_of(checkpoint.manifest()));
  if (!text.empty()) return text;
  fail_try(ErrorKind::usage, "name a text file", "{}: the task has no training inputs", path);
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
              {"method", result.method},
              {"notes", result.notes},
              {"healing", result.healing},
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
  Arguments arguments(
      "quantize", "A model into a GGUF file of fewer bits",
      "limbeck quantize models/small -o small.gguf --type q4_k\n"
      "limbeck quantize big.gguf -o big-q3.gguf --type q3_k_m --calibration a.txt\n"
      "limbeck quantize models/small -o small.gguf --type q4_0 --calibration a.txt --heal");
  Flags flags;
  QuantizeOptions options;
  distill::HealOptions healing;
  CLI::App& app = arguments.app();
  app.add_option("model", flags.model, "A Hugging Face folder or a .gguf file")->required();
  app.add_option("-o,--output", flags.output, "The .gguf file to write")->required();
  app.add_option("--type", options.type, "One of: " + type_names());
  app.add_option("--method", flags.method,
                 "rtn, imatrix or gptq; default: gptq with --calibration, else imatrix with "
                 "--importance, else rtn");
  auto* bpw = app.add_option("--bpw", options.bits_per_weight,
                             "Instead of --type: bits per weight, types chosen per tensor");
  app.add_option("--size", flags.size, "Instead of --type: bytes of the file, as 300MB")
      ->excludes(bpw);
  app.add_option("--calibration", flags.calibration,
                 "Text files like what the model will read, or task folders");
  app.add_option("--calibration-tokens", options.calibration.max_tokens,
                 "Tokens taken of them, evenly")
      ->check(CLI::PositiveNumber);
  app.add_option("--guard", flags.guard,
                 "Text (or a task) of another kind that must not get worse");
  auto* heal =
      app.add_option(
             "--heal", healing.steps,
             "Then train the scales and norms towards the original for so many steps (100), "
             "codes as they are; used where held-out text comes out better for it")
          ->expected(0, 1)
          ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 30));
  app.add_option("--importance", flags.importance, "An importance file (imatrix GGUF)");
  app.add_option("--save-importance", flags.save_importance, "Keep the importance found");
  app.add_option("--max-memory", flags.max_memory,
                 "Ceiling below the model's size if need be, as 2GB");
  app.add_option("--on-nan", options.on_nan, "NaN or infinite weights: fail, or zero them");
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;

  if (heal->count() > 0 && flags.calibration.empty()) {
    fail_try(ErrorKind::usage, "--calibration FILE", "--heal needs calibration text");
  }
  options.method = method_of(flags);
  options.importance_file = flags.importance;
  options.save_importance = flags.save_importance;
  if (!flags.size.empty()) options.size = parse_bytes(flags.size, "--size");
  if (!flags.max_memory.empty()) options.max_memory = parse_bytes(flags.max_memory, "--max-memory");
  const Checkpoint checkpoint = Checkpoint::open(flags.model);
  for (const std::string& path : flags.calibration) {
    options.calibration_texts.push_back(calibration_of(path, checkpoint));
    options.calibration_names.push_back(path);
  }
  for (const std::string& path : flags.guard) {
    options.guard_texts.push_back(calibration_of(path, checkpoint));
  }
  for (const std::string& note : checkpoint.packed_notes()) say(note);
  if (heal->count() > 0) {
    healing.threads = arguments.common().threads;
    healing.seed = arguments.common().seed;
    options.healer = pipeline::healer(healing);
    options.healing_tokens = healing.steps * healing.batch_tokens;
  }
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
