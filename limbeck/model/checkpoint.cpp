#include "limbeck/model/checkpoint.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "limbeck/base/error.h"
#include "limbeck/base/json.h"
#include "limbeck/codec/codec.h"
#include "limbeck/format/safetensors.h"
#include "limbeck/model/families.h"
#include "limbeck/model/gguf_keys.h"
#include "limbeck/model/hf_config.h"
#include "limbeck/model/layout.h"
#include "limbeck/model/packed_weights.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

struct Entry {
  const StoredTensor* stored;
  Placement place;
  const PackedMatrix* packed = nullptr;  // whose bytes `stored` would be
};

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> endings) {
  return std::ranges::any_of(endings,
                             [&](std::string_view ending) { return name.ends_with(ending); });
}

// Buffers that old versions of transformers saved, and GGUF tensors that the architecture holds.
bool is_no_weight(std::string_view name) {
  return ends_with_any(name, {".attn.bias", ".attn.masked_bias", ".attention.bias",
                              ".attention.masked_bias", "rotary_emb.inv_freq"}) ||
         name == "rope_freqs.weight" || name == "rope_factors_long.weight" ||
         name == "rope_factors_short.weight";
}

fs::path config_path(const fs::path& folder) {
  if (fs::exists(folder / "config.json")) return folder / "config.json";
  fail_try(ErrorKind::usage,
           "a model is a folder with config.json and model.safetensors, or a "
           ".gguf file",
           "{}: no config.json in this folder", folder.string());
}

Architecture folder_architecture(const fs::path& config) {
  Architecture a = from_hf_config(read_json_file(config.string()), config.string());
  a.name = fs::absolute(config).parent_path().filename().string();
  return a;
}

std::uint64_t bytes_of_weights(const fs::path& folder) {
  if (fs::exists(folder / "model.safetensors")) {
    return fs::file_size(folder / "model.safetensors");
  }
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("model-") && name.ends_with(".safetensors")) bytes += entry.file_size();
  }
  return bytes;
}

}  // namespace

struct Checkpoint::Impl {
  fs::path path;
  Format format = Format::safetensors;
  Architecture architecture;
  std::unique_ptr<GgufReader> gguf;
  std::unique_ptr<SafetensorsFolder> folder;
  std::unique_ptr<PackedWeights> packed;             // null unless quantization_config says so
  std::unordered_map<std::string, Entry> entries;    // by canonical name
  std::unordered_map<std::string, Weight> replaced;  // by canonical name
  std::vector<std::string> unused;
  Json manifest = Json::object();
  std::uint64_t file_bytes = 0;
  mutable std::once_flag tokenizer_once;
  mutable std::unique_ptr<Tokenizer> tokenizer;

  const StoredTensor* stored(std::string_view name) const {
    if (const PackedMatrix* matrix = packed_matrix(name)) return &matrix->stored();
    return gguf ? gguf->find(name) : folder->find(name);
  }
  const PackedMatrix* packed_matrix(std::string_view name) const {
    return packed ? packed->find(name) : nullptr;
  }
  StoredIn stored_in() const { return gguf ? StoredIn::gguf : StoredIn::safetensors; }

  void map_tensors();
  Entry locate(const std::string& canonical) const;
  void check_stored(const TensorSpec& spec, const Entry& entry) const;
};

// The first place where the tensor is. A tied model may hold its one matrix under the output's name
// alone.
Entry Checkpoint::Impl::locate(const std::string& canonical) const {
  const FamilyInfo& info = family_info(architecture.family);
  std::vector<Placement> places = placements(info, stored_in(), canonical);
  if (canonical == "token_embd.weight" && architecture.tied_embeddings) {
    for (Placement& place : placements(info, stored_in(), "output.weight")) {
      places.push_back(std::move(place));
    }
  }
  for (Placement& place : places) {
    const StoredTensor* found = stored(place.name);
    // llama.cpp's Phi-3 keeps gate and up in one "ffn_up": that name alone does not tell.
    const bool plain_up = place.part == Part::up && stored_in() == StoredIn::gguf &&
                          found != nullptr && !found->shape.empty() &&
                          found->shape[0] == architecture.ffn;
    if (found == nullptr || plain_up) continue;
    const PackedMatrix* matrix = packed_matrix(place.name);
    if (matrix != nullptr) place.transposed = false;  // packed as [out, in], Conv1D too
    return {found, std::move(place), matrix};
  }
  const std::string& usual = places.front().name;
  if (usual == canonical) {
    fail(ErrorKind::format, "{}: tensor '{}' is missing", path.string(), usual);
  }
  fail(ErrorKind::format, "{}: tensor '{}' ({}) is missing", path.string(), usual, canonical);
}

void Checkpoint::Impl::check_stored(const TensorSpec& spec, const Entry& entry) const {
  const StoredTensor& tensor = *entry.stored;
  Shape expected = spec.shape;
  expected[0] = fused_rows(architecture, entry.place.part, expected[0]);
  if (entry.place.transposed) std::swap(expected[0], expected[1]);
  if (tensor.shape != expected) {
    fail(ErrorKind::format, "{}: tensor '{}' has shape [{}] but the architecture needs [{}]",
         path.string(), tensor.name, fmt::join(tensor.shape, ", "), fmt::join(expected, ", "));
  }
  const TensorType type = tensor.type;
  const bool plain = type == TensorType::f32 || type == TensorType::f16 || type == TensorType::bf16;
  const bool readable = plain || ((gguf || entry.packed) && is_quantized(type) && can_decode(type));
  if (!readable || (spec.shape.size() == 1 && !plain)) {
    fail(ErrorKind::unsupported, "{}: tensor '{}' has type {}; expected f32, f16{}", path.string(),
         tensor.name, info(type).name,
         gguf && spec.shape.size() > 1 ? ", bf16 or a known quantized type" : " or bf16");
  }
}

void Checkpoint::Impl::map_tensors() {
  std::unordered_set<std::string_view> used;
  for (const TensorSpec& spec : tensor_specs(architecture)) {
    Entry entry = locate(spec.name);
    check_stored(spec, entry);
    used.insert(entry.stored->name);
    entries.emplace(spec.name, std::move(entry));
  }
  if (architecture.tied_embeddings) {  // a second copy under the output's name is no stranger
    for (const Placement& place :
         placements(family_info(architecture.family), stored_in(), "output.weight")) {
      if (const StoredTensor* copy = stored(place.name)) used.insert(copy->name);
    }
  }
  for (const StoredTensor& tensor : gguf ? gguf->tensors() : folder->tensors()) {
    if (used.contains(tensor.name) || is_no_weight(tensor.name)) continue;
    if (packed && used.contains(packed->matrix_of(tensor.name))) continue;
    unused.push_back(tensor.name);
  }
}

Checkpoint::Checkpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Checkpoint Checkpoint::open(const fs::path& path) {
  if (!fs::exists(path)) fail(ErrorKind::usage, "{}: no such file or folder", path.string());
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  if (fs::is_directory(path)) {
    const std::string config = config_path(path).string();
    impl->architecture = folder_architecture(config);
    impl->folder = std::make_unique<SafetensorsFolder>(SafetensorsFolder::open(path));
    if (const auto scheme = packed_scheme(read_json_file(config), config)) {
      const SafetensorsFolder& folder = *impl->folder;
      impl->packed = std::make_unique<PackedWeights>(
          folder.tensors(), [&folder](std::string_view name) { return folder.find(name); },
          *scheme);
    }
    impl->file_bytes = bytes_of_weights(path);
    const fs::path manifest = path / "limbeck.json";
    if (fs::exists(manifest)) impl->manifest = read_json_file(manifest.string());
  } else {
    impl->format = Format::gguf;
    impl->gguf = std::make_unique<GgufReader>(GgufReader::open(path));
    impl->architecture = from_gguf(*impl->gguf);
    impl->file_bytes = fs::file_size(path);
    if (const std::string* text = impl->gguf->text("limbeck.manifest")) {
      impl->manifest = parse_json(*text, path.string() + ": limbeck.manifest");
    }
  }
  if (!impl->manifest.is_object()) {
    fail(ErrorKind::format, "{}: the manifest is not an object", path.string());
  }
  impl->map_tensors();
  return Checkpoint(std::move(impl));
}

const fs::path& Checkpoint::path() const noexcept { return impl_->path; }
Checkpoint::Format Checkpoint::format() const noexcept { return impl_->format; }
const Architecture& Checkpoint::architecture() const noexcept { return impl_->architecture; }
std::uint64_t Checkpoint::file_bytes() const noexcept { return impl_->file_bytes; }
std::vector<std::string> Checkpoint::unused() const { return impl_->unused; }
std::vector<std::string> Checkpoint::packed_notes() const {
  return impl_->packed ? impl_->packed->notes() : std::vector<std::string>{};
}
const Json& Checkpoint::manifest() const { return impl_->manifest; }
const GgufReader* Checkpoint::gguf() const noexcept { return impl_->gguf.get(); }

void Checkpoint::replace(std::string_view name, Weight weight) {
  const Weight before = at(name);
  if (weight.rows != before.rows || weight.columns != before.columns) {
    fail(ErrorKind::usage, "tensor '{}' is [{}, {}], not [{}, {}]", name, before.rows,
         before.columns, weight.rows, weight.columns);
  }
  impl_->replaced[std::string(name)] = std::move(weight);
}

std::optional<Weight> Checkpoint::find(std::string_view name) const {
  if (const auto other = impl_->replaced.find(std::string(name)); other != impl_->replaced.end()) {
    return other->second;
  }
  const auto found = impl_->entries.find(std::string(name));
  if (found == impl_->entries.end()) return std::nullopt;
  const Architecture& a = impl_->architecture;
  const StoredTensor& tensor = *found->second.stored;
  const Placement& place = found->second.place;
  const bool vector = tensor.shape.size() == 1;

  // A bias is fused like its weight: rows of one element each.
  const std::int64_t stored_rows = place.transposed ? tensor.shape[1] : tensor.shape[0];
  const std::int64_t columns = vector ? 1 : place.transposed ? tensor.shape[0] : tensor.shape[1];
  const RowRange range = rows_of(a, place.part, stored_rows);
  const std::size_t bytes_per_row = row_bytes(tensor.type, columns);

  Weight weight{.type = tensor.type,
                .rows = vector ? 1 : range.count,
                .columns = vector ? range.count : columns,
                .bytes = {},
                .owned = {}};
  std::span<const std::byte> rows = tensor.bytes;
  if (found->second.packed != nullptr) {
    weight.owned = std::make_shared<std::vector<std::byte>>(found->second.packed->unpack());
    rows = *weight.owned;
  }
  if (place.transposed) {
    weight.owned = std::make_shared<std::vector<std::byte>>(
        transpose(rows, columns, stored_rows, info(tensor.type).block_bytes));
    rows = *weight.owned;
  }
  if (place.per_head) {
    weight.owned = std::make_shared<std::vector<std::byte>>(
        gather_rows(rows, bytes_per_row, per_head_rows(a, place.part)));
    weight.bytes = *weight.owned;
  } else {
    weight.bytes = rows.subspan(static_cast<std::size_t>(range.first) * bytes_per_row,
                                static_cast<std::size_t>(range.count) * bytes_per_row);
  }
  return weight;
}

Weight Checkpoint::at(std::string_view name) const {
  if (auto found = find(name)) return *std::move(found);
  fail(ErrorKind::format, "{}: there is no tensor '{}'", impl_->path.string(), name);
}

TensorType Checkpoint::type_of(std::string_view name) const {
  const auto found = impl_->entries.find(std::string(name));
  if (found == impl_->entries.end()) {
    fail(ErrorKind::format, "{}: there is no tensor '{}'", impl_->path.string(), name);
  }
  return found->second.stored->type;
}

std::vector<float> Checkpoint::floats(std::string_view name) const {
  const Weight weight = at(name);
  const auto columns = static_cast<std::size_t>(weight.columns);
  std::vector<float> out(static_cast<std::size_t>(weight.rows) * columns);
  const std::size_t bytes_per_row = row_bytes(weight.type, weight.columns);
  for (std::size_t r = 0; r < static_cast<std::size_t>(weight.rows); ++r) {
    decode_row(weight.type, weight.bytes.subspan(r * bytes_per_row, bytes_per_row),
               std::span(out).subspan(r * columns, columns));
  }
  return out;
}

bool Checkpoint::has_tokenizer() const {
  if (impl_->gguf) return impl_->gguf->value("tokenizer.ggml.tokens") != nullptr;
  return fs::exists(impl_->path / "tokenizer.json");
}

const Tokenizer& Checkpoint::tokenizer() const {
  if (!has_tokenizer()) {
    fail(ErrorKind::usage, "{}: the model carries no tokenizer", impl_->path.string());
  }
  std::call_once(impl_->tokenizer_once, [&] {
    impl_->tokenizer = std::make_unique<Tokenizer>(
        impl_->gguf ? Tokenizer::from_gguf(*impl_->gguf) : Tokenizer::from_folder(impl_->path));
  });
  return *impl_->tokenizer;
}

Architecture read_architecture(const fs::path& path) {
  if (fs::is_directory(path)) return folder_architecture(config_path(path));
  if (path.extension() == ".json") return folder_architecture(path);
  return from_gguf(GgufReader::open(path));
}

}  // namespace limbeck
