// limbeck inspect: what a model file holds, without trusting it.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <optional>
#include <type_traits>

#include "limbeck/base/error.h"
#include "limbeck/base/json.h"
#include "limbeck/base/terminal.h"
#include "limbeck/cli/arguments.h"
#include "limbeck/cli/commands.h"
#include "limbeck/format/gguf.h"
#include "limbeck/format/safetensors.h"
#include "limbeck/model/checkpoint.h"
#include "limbeck/model/families.h"

namespace limbeck::cli {
namespace {

namespace fs = std::filesystem;

struct Contents {
  std::string format, architecture;
  std::vector<StoredTensor> tensors;  // without bytes once the reader is gone: only sizes are used
  Json metadata = Json::object();
  std::uint64_t file_bytes = 0;
  std::optional<std::int64_t> parameters;  // of the architecture, if it is known
  bool packed = false;                     // several weights in one element of the tensors
  Json cut = Json::object();               // what was cut out of a larger model, by the manifest
  std::string problem;                     // why it cannot be run; empty: it can
};

constexpr std::size_t kLongArray = 32, kShown = 8;

// Long arrays (vocabularies) by their length and first elements.
template <typename T>
Json array_json(const std::vector<T>& values) {
  Json list = Json::array();
  const std::size_t n = values.size() > kLongArray ? kShown : values.size();
  for (std::size_t i = 0; i < n; ++i) list.push_back(T(values[i]));
  if (values.size() <= kLongArray) return list;
  return Json{{"count", values.size()}, {"first", std::move(list)}};
}

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

Json value_json(const GgufValue& value) {
  return std::visit(
      [](const auto& held) -> Json {
        if constexpr (IsVector<std::decay_t<decltype(held)>>::value) {
          return array_json(held);
        } else {
          return held;
        }
      },
      value);
}

Contents read_gguf(const fs::path& path) {
  Contents out;
  out.format = "gguf";
  out.file_bytes = fs::file_size(path);
  const GgufReader file = GgufReader::open(path);
  for (const auto& [key, value] : file.metadata()) out.metadata[key] = value_json(value);
  out.tensors.assign(file.tensors().begin(), file.tensors().end());
  const auto architecture = out.metadata.find("general.architecture");
  if (architecture != out.metadata.end() && architecture->is_string()) {
    out.architecture = architecture->get<std::string>();
  }
  return out;
}

Contents read_safetensors(const fs::path& path) {
  Contents out;
  out.format = "safetensors";
  out.file_bytes = fs::file_size(path);
  const SafetensorsReader file = SafetensorsReader::open(path);
  for (const auto& [key, value] : file.metadata()) out.metadata[key] = value;
  out.tensors.assign(file.tensors().begin(), file.tensors().end());
  return out;
}

Contents read_folder(const fs::path& path) {
  Contents out;
  out.format = "safetensors";
  const SafetensorsFolder folder = SafetensorsFolder::open(path);
  out.tensors.assign(folder.tensors().begin(), folder.tensors().end());
  if (!fs::exists(path / "config.json")) return out;
  out.metadata = read_json_file((path / "config.json").string());
  if (!out.metadata.is_object()) return out;
  const auto type = out.metadata.find("model_type");
  if (type != out.metadata.end() && type->is_string()) out.architecture = type->get<std::string>();
  return out;
}

Contents read(const fs::path& path) {
  if (!fs::exists(path)) fail(ErrorKind::usage, "{}: no such file or folder", path.string());
  const bool folder = fs::is_directory(path);
  if (!folder && path.extension() == ".safetensors") return read_safetensors(path);
  Contents out = folder ? read_folder(path) : read_gguf(path);
  if (!folder && out.tensors.empty()) {
    out.problem = "a vocabulary only: no tensors";
    return out;
  }
  try {
    const Checkpoint checkpoint = Checkpoint::open(path);
    out.parameters = parameter_count(checkpoint.architecture());
    out.file_bytes = checkpoint.file_bytes();
    out.packed = !checkpoint.packed_notes().empty();
    for (const char* key : {"cut", "vocabulary"}) {
      if (const auto found = checkpoint.manifest().find(key); found != checkpoint.manifest().end())
        out.cut[key] = *found;
    }
    if (!checkpoint.unused().empty()) {
      out.problem = fmt::format("{} tensors are not used, the first is '{}'",
                                checkpoint.unused().size(), checkpoint.unused()[0]);
    }
  } catch (const Error& error) {
    out.problem = error.what();
  }
  return out;
}

std::int64_t weights_of(const StoredTensor& tensor) {
  std::int64_t n = 1;
  for (const std::int64_t size : tensor.shape) n *= size;
  return n;
}

// What a student was cut from, a line a round; "" of a file that says it in no known form.
std::string cut_text(const Json& cut) {
  std::string text;
  try {
    if (cut.contains("cut")) {
      for (const Json& round : cut.at("cut")) {
        const Json& layers = round.at("removed_layers");
        const std::int64_t first = layers.at("first"), count = layers.at("count");
        double kept = 0;
        for (const Json& share : round.at("kept_ffn_activity")) kept += share.get<double>();
        kept /= static_cast<double>(round.at("kept_ffn_activity").size());
        text += fmt::format(
            "cut from its teacher: {}; {} layers, hidden {}, ffn {} ({:.0f} % of its activity), "
            "{} heads: {} parameters\n",
            count == 0 ? "no layer left out"
                       : fmt::format("{} layers from layer {} left out (influence {:.3f})", count,
                                     first, round.at("removed_influence").get<double>()),
            round.at("layers").get<std::int64_t>(), round.at("hidden").get<std::int64_t>(),
            round.at("ffn").get<std::int64_t>(), 100 * kept, round.at("heads").get<std::int64_t>(),
            human_count(round.at("parameters").get<double>()));
      }
    }
    if (cut.contains("vocabulary"))
      text += fmt::format("vocabulary cut down: {} of {} tokens\n",
                          cut.at("vocabulary").at("tokens").get<std::int64_t>(),
                          cut.at("vocabulary").at("of").get<std::int64_t>());
  } catch (const nlohmann::json::exception&) {
    return {};
  }
  return text;
}

struct Totals {
  std::int64_t parameters = 0;
  std::uint64_t tensor_bytes = 0;
  double bits_per_weight = 0;
};

Totals totals_of(const Contents& contents) {
  Totals totals;
  std::int64_t stored = 0;
  for (const StoredTensor& tensor : contents.tensors) {
    stored += weights_of(tensor);
    totals.tensor_bytes += tensor.bytes.size();
  }
  totals.parameters = contents.parameters.value_or(stored);
  if (contents.packed) stored = totals.parameters;
  if (stored > 0) {
    totals.bits_per_weight =
        8 * static_cast<double>(totals.tensor_bytes) / static_cast<double>(stored);
  }
  return totals;
}

Json to_json(const Contents& contents) {
  const Totals totals = totals_of(contents);
  Json out = {{"schema_version", 1},
              {"format", contents.format},
              {"architecture", contents.architecture},
              {"parameters", totals.parameters},
              {"bytes", contents.file_bytes},
              {"bits_per_weight", totals.bits_per_weight}};
  Json tensors = Json::array();
  for (const StoredTensor& tensor : contents.tensors) {
    tensors.push_back({{"name", tensor.name},
                       {"type", info(tensor.type).name},
                       {"shape", tensor.shape},
                       {"bytes", tensor.bytes.size()}});
  }
  out["tensors"] = std::move(tensors);
  out["metadata"] = contents.metadata;
  if (!contents.cut.empty()) out["cut_from_teacher"] = contents.cut;
  if (!contents.problem.empty()) out["problem"] = contents.problem;
  return out;
}

std::string shape_text(const Shape& shape) { return fmt::format("{}", fmt::join(shape, " x ")); }

void print_text(const Contents& contents) {
  constexpr std::size_t kValueLength = 200;
  std::string text;
  for (const auto& [key, value] : contents.metadata.items()) {
    std::string shown = value.is_string() ? value.get<std::string>() : to_text(value);
    if (shown.size() > kValueLength) shown = shown.substr(0, kValueLength) + "...";
    text += fmt::format("{} = {}\n", safe_tty(key), safe_tty(shown));
  }
  std::vector<std::vector<std::string>> rows = {{"tensor", "type", "shape", "bytes"}};
  for (const StoredTensor& tensor : contents.tensors) {
    rows.push_back({safe_tty(tensor.name), std::string(info(tensor.type).name),
                    shape_text(tensor.shape), fmt::format("{}", tensor.bytes.size())});
  }
  if (!text.empty()) text += '\n';
  if (!contents.tensors.empty()) text += text_table(rows) + '\n';
  const Totals totals = totals_of(contents);
  text += fmt::format(
      "{}{}{}: {} tensors, {} parameters, {} in tensors ({:.2f} bits per weight), {} on disk\n",
      contents.format, contents.architecture.empty() ? "" : ", ", safe_tty(contents.architecture),
      contents.tensors.size(), human_count(static_cast<double>(totals.parameters)),
      human_bytes(static_cast<double>(totals.tensor_bytes)), totals.bits_per_weight,
      human_bytes(static_cast<double>(contents.file_bytes)));
  text += cut_text(contents.cut);
  if (!contents.problem.empty()) text += "note: " + safe_tty(contents.problem) + '\n';
  print(text);
}

}  // namespace

int run_inspect(int argc, char** argv) {
  Arguments arguments("inspect", "What a model holds: tensors, sizes, metadata",
                      "limbeck inspect model.gguf\n"
                      "limbeck inspect ./SmolLM2-135M --json | jq .parameters");
  std::string path;
  arguments.app()
      .add_option("file", path, "A .gguf or .safetensors file, or a Hugging Face folder")
      ->required();
  arguments.add_json();
  if (!arguments.parse(argc, argv)) return 0;
  // The bytes of each tensor are gone with the reader; their sizes stay.
  const Contents contents = read(path);
  if (arguments.common().json) {
    print_json(to_json(contents));
  } else {
    print_text(contents);
  }
  return 0;
}

}  // namespace limbeck::cli
