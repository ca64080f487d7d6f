// limbeck convert: a model from one file format to the other.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/commands.h"
#include "limbeck/codec/codec.h"
#include "limbeck/model/checkpoint.h"
#include "limbeck/model/write_packed.h"

namespace limbeck::cli {
namespace {

namespace fs = std::filesystem;

// The rows of a weight as `type`. Throws Error{numeric} where a value does not fit or is no number.
std::vector<std::byte> recode(const Weight& weight, const std::string& name, TensorType type) {
  const auto columns = static_cast<std::size_t>(weight.columns);
  const std::size_t from = row_bytes(weight.type, weight.columns);
  const std::size_t to = row_bytes(type, weight.columns);
  std::vector<std::byte> out(static_cast<std::size_t>(weight.rows) * to);
  std::vector<float> row(columns);
  // Over these a value rounds to infinity; f32 and bf16 hold every float.
  const float limit = type == TensorType::f16 ? 65520.0f : HUGE_VALF;
  for (std::size_t r = 0; r < static_cast<std::size_t>(weight.rows); ++r) {
    decode_row(weight.type, weight.bytes.subspan(r * from, from), row);
    for (std::size_t c = 0; c < columns; ++c) {
      if (std::abs(row[c]) < limit) continue;  // false for NaN too
      fail_try(ErrorKind::numeric, "--type f32, if the value is meant",
               "tensor '{}' holds {} at row {}, column {}: {} has no such number", name, row[c], r,
               c, info(type).name);
    }
    encode_row(type, row, std::span(out).subspan(r * to, to));
  }
  return out;
}

struct Job {
  std::string source, target, type = "keep", to;

  bool packed() const { return to == "compressed-tensors"; }
  bool folder() const { return fs::path(target).extension() != ".gguf"; }
};

TensorType target_type(const NamedTensor& tensor, const Job& job, bool folder) {
  const TensorType stored = tensor.type;
  // GGUF files hold vectors as f32 whatever the matrices are.
  if (!folder && tensor.shape.size() == 1) return TensorType::f32;
  if (job.type == "keep") return folder && is_quantized(stored) ? TensorType::f16 : stored;
  return find_tensor_type(job.type)->type;
}

// Which tensors stay packed; says which matrices cannot be.
std::vector<bool> packed_ones(std::span<const NamedTensor> tensors, const Job& job) {
  if (!job.packed()) return std::vector<bool>(tensors.size());
  if (!job.folder()) {
    fail_try(ErrorKind::usage, "name a folder", "--to compressed-tensors does not write {}",
             job.target);
  }
  std::vector<bool> packed = packable(tensors);
  const auto n = std::ranges::count(packed, true);
  if (n == 0) {
    fail_try(ErrorKind::usage, "limbeck quantize MODEL -o q4_0.gguf --type q4_0, and convert that",
             "no layer of {} is q4_0, which packed 4-bit weights hold exactly", job.source);
  }
  const auto matrices = std::ranges::count_if(tensors, [](const NamedTensor& tensor) {
    return tensor.name.starts_with("blk.") && tensor.shape.size() == 2;
  });
  say(fmt::format("{} of {} matrices are packed to 4 bits, the others stay wide", n, matrices));
  return packed;
}

void convert(const Job& job) {
  const bool folder = job.folder();
  const Checkpoint checkpoint = Checkpoint::open(job.source);
  for (const std::string& note : checkpoint.packed_notes()) say(note);
  std::vector<NamedTensor> tensors = tensors_of(checkpoint);
  const std::vector<bool> packed = packed_ones(tensors, job);
  std::uint64_t done = 0;
  Progress progress("convert", tensors.size(), "tensors");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    NamedTensor& tensor = tensors[i];
    const TensorType stored = tensor.type;
    tensor.type = packed[i] ? stored : target_type(tensor, job, folder);
    tensor.make_bytes = [&checkpoint, &progress, &done, plain = tensor.make_bytes, stored,
                         name = tensor.name, type = tensor.type] {
      stop_if_interrupted("run the command again");
      auto bytes = type == stored ? plain() : recode(checkpoint.at(name), name, type);
      progress.update(++done);
      return bytes;
    };
  }
  WriteOptions options;
  options.manifest = checkpoint.manifest();
  options.pack_int4 = job.packed();
  if (fs::is_directory(job.source)) options.copy_from = job.source;
  const Tokenizer* tokenizer = checkpoint.has_tokenizer() ? &checkpoint.tokenizer() : nullptr;
  if (folder) {
    write_hf_model(job.target, checkpoint.architecture(), tokenizer, tensors, options);
  } else {
    write_gguf_model(job.target, checkpoint.architecture(), tokenizer, tensors, options);
  }
}

}  // namespace

int run_convert(int argc, char** argv) {
  Arguments arguments("convert", "Convert a model between a Hugging Face folder and a GGUF file",
                      "limbeck convert ./SmolLM2-135M smollm2-f16.gguf --type f16\n"
                      "limbeck convert model-q8_0.gguf ./model-folder\n"
                      "limbeck convert ./model-AWQ model-q4.gguf\n"
                      "limbeck convert model-q4_0.gguf ./for-vllm --to compressed-tensors");
  Job job;
  arguments.app().add_option("source", job.source, "A folder or a .gguf file")->required();
  arguments.app()
      .add_option("target", job.target, "What to write: *.gguf is a file, anything else a folder")
      ->required();
  arguments.app()
      .add_option("--type", job.type,
                  "Type of the matrices: f32, f16, bf16, or keep (a folder gets f16 of quantized "
                  "weights)")
      ->check(CLI::IsMember({"f32", "f16", "bf16", "keep"}));
  arguments.app()
      .add_option("--to", job.to,
                  "compressed-tensors: a folder whose q4_0 matrices are packed to 4 bits, as they "
                  "are, for vLLM")
      ->check(CLI::IsMember({"compressed-tensors"}));
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;
  convert(job);
  const Checkpoint written = Checkpoint::open(job.target);  // what was written can be read
  if (arguments.common().json) {
    print_json({{"schema_version", 1},
                {"path", job.target},
                {"bytes", written.file_bytes()},
                {"parameters", parameter_count(written.architecture())}});
  } else {
    print(fmt::format("{}: {}\n", safe_tty(job.target),
                      human_bytes(static_cast<double>(written.file_bytes()))));
  }
  return 0;
}

}  // namespace limbeck::cli
