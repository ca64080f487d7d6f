// write_hf_model: canonical tensors, architecture and tokenizer as a Hugging Face folder.
#include <fcntl.h>
#include <fmt/core.h>
#include <stdio.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <random>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/json.h"
#include "limbeck/format/safetensors.h"
#include "limbeck/model/compose.h"
#include "limbeck/model/hf_config.h"
#include "limbeck/model/write_packed.h"

namespace limbeck {
namespace {

namespace fs = std::filesystem;

// A folder under construction beside its final place; destroyed before `commit`, it is removed.
class NewFolder {
 public:
  explicit NewFolder(const fs::path& folder) {
    // A trailing slash would make the name empty.
    target_ = folder.has_filename() ? folder : folder.parent_path();
    std::error_code error;
    if (fs::exists(target_) && !replaceable()) {
      fail_try(ErrorKind::usage, "choose another name, or remove it yourself",
               "{}: exists and is no model folder", target_.string());
    }
    const fs::path parent = fs::absolute(target_).parent_path();
    fs::create_directories(parent, error);
    temporary_ = parent / fmt::format(".{}.tmp-{}-{:08x}", target_.filename().string(), getpid(),
                                      std::random_device()());
    if (!fs::create_directory(temporary_, error)) {
      fail(ErrorKind::io, "{}: cannot be made: {}", temporary_.string(), error.message());
    }
  }
  ~NewFolder() {
    std::error_code ignored;
    if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  const fs::path& path() const { return temporary_; }

  void commit() {
    std::error_code error;
    if (fs::exists(target_)) {
      // One step, so that the name always holds a whole model; the old one is then removed.
      if (renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) ==
          0) {
        return;
      }
      fs::remove_all(target_, error);  // a file system that cannot exchange
    }
    fs::rename(temporary_, target_, error);
    if (error) {
      fail(ErrorKind::io, "{}: cannot be renamed to {}: {}", temporary_.string(), target_.string(),
           error.message());
    }
    temporary_.clear();
  }

 private:
  bool replaceable() const {
    return fs::is_directory(target_) &&
           (fs::exists(target_ / "config.json") || fs::is_empty(target_));
  }
  fs::path target_, temporary_;
};

std::uint64_t bytes_of(const GgufTensor& tensor) {
  std::uint64_t bytes = info(tensor.type).block_bytes;
  for (const std::int64_t size : tensor.shape) bytes *= static_cast<std::uint64_t>(size);
  return bytes;
}

void write_shard(const fs::path& path, std::span<const GgufTensor> tensors,
                 std::map<std::string, std::string> metadata) {
  std::vector<std::vector<std::byte>> bytes;
  std::vector<StoredTensor> stored;
  for (const GgufTensor& tensor : tensors) {
    bytes.push_back(tensor.make_bytes());
    stored.push_back({tensor.name, tensor.type, tensor.shape, bytes.back()});
  }
  metadata.emplace("format", "pt");  // transformers refuses files that do not say so
  write_safetensors(path, stored, metadata);
}

void write_weights(const fs::path& folder, std::span<const GgufTensor> tensors,
                   const WriteOptions& options) {
  std::vector<std::size_t> starts = {0};
  std::uint64_t in_shard = 0, total = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::uint64_t bytes = bytes_of(tensors[i]);
    if (in_shard > 0 && in_shard + bytes > static_cast<std::uint64_t>(options.shard_bytes)) {
      starts.push_back(i);
      in_shard = 0;
    }
    in_shard += bytes;
    total += bytes;
  }
  check_free_space(folder, total);
  if (starts.size() == 1) {
    write_shard(folder / "model.safetensors", tensors, options.safetensors_metadata);
    return;
  }
  Json index;
  index["metadata"]["total_size"] = total;
  for (std::size_t s = 0; s < starts.size(); ++s) {
    const std::size_t end = s + 1 < starts.size() ? starts[s + 1] : tensors.size();
    const auto shard = tensors.subspan(starts[s], end - starts[s]);
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, starts.size());
    for (const GgufTensor& tensor : shard) index["weight_map"][tensor.name] = name;
    write_shard(folder / name, shard, options.safetensors_metadata);
  }
  write_file(folder / "model.safetensors.index.json", to_text(index, 2));
}

std::string_view torch_dtype(std::span<const NamedTensor> tensors, bool packed) {
  std::map<TensorType, std::int64_t> weights;
  for (const NamedTensor& tensor : tensors) {
    if (packed && tensor.type == TensorType::q4_0) continue;
    std::int64_t n = 1;
    for (const std::int64_t size : tensor.shape) n *= size;
    weights[tensor.type] += n;
    if (tensor.type != TensorType::f32 && tensor.type != TensorType::f16 &&
        tensor.type != TensorType::bf16) {
      fail(ErrorKind::usage, "tensor '{}' is {}; a Hugging Face folder holds f32, f16 or bf16",
           tensor.name, info(tensor.type).name);
    }
  }
  if (packed) return "float16";  // the packed scales' type
  std::int64_t most = 0;
  std::string_view name = "float32";
  for (const auto& [type, n] : weights) {
    if (n <= most) continue;
    most = n;
    name = type == TensorType::f32 ? "float32" : type == TensorType::f16 ? "float16" : "bfloat16";
  }
  return name;
}

// Absent ids are null: the classes of transformers have defaults that a small vocabulary lacks.
void add_token_ids(Json& out, const Tokenizer* tokenizer) {
  const auto id = [](std::optional<TokenId> token) { return token ? Json(*token) : Json(nullptr); };
  out["bos_token_id"] = tokenizer != nullptr ? id(tokenizer->bos()) : Json(nullptr);
  out["eos_token_id"] = tokenizer != nullptr ? id(tokenizer->eos()) : Json(nullptr);
  out["pad_token_id"] = tokenizer != nullptr ? id(tokenizer->pad()) : Json(nullptr);
}

// Licences and cards go along with a model; nothing else of the folder does.
void copy_papers(const fs::path& from, const fs::path& to) {
  if (from.empty() || !fs::is_directory(from)) return;
  for (const auto& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    const bool paper = name.starts_with("LICENSE") || name == "README.md" || name == "NOTICE" ||
                       name == "generation_config.json";
    if (!paper || !entry.is_regular_file()) continue;
    write_file(to / name, read_file(entry.path(), 16u << 20));
  }
}

}  // namespace

Json to_hf_config(const Architecture& a, const Tokenizer* tokenizer) {
  Json config = hf_config(a);
  add_token_ids(config, tokenizer);
  return config;
}

void write_hf_model(const fs::path& folder, const Architecture& a, const Tokenizer* tokenizer,
                    std::span<const NamedTensor> tensors, const WriteOptions& options) {
  check(a, folder.string());
  Json config = to_hf_config(a, tokenizer);
  config["torch_dtype"] = torch_dtype(tensors, options.pack_int4);
  std::vector<GgufTensor> stored = compose(a, tensors, StoredIn::safetensors);
  if (options.pack_int4) {
    PackedModel packed = pack_compressed(stored);
    stored = std::move(packed.tensors);
    config["quantization_config"] = std::move(packed.quantization_config);
  }

  NewFolder out(folder);
  write_file(out.path() / "config.json", to_text(config, 2) + "\n");
  Json generation = Json::object();
  add_token_ids(generation, tokenizer);
  write_file(out.path() / "generation_config.json", to_text(generation, 2) + "\n");
  if (tokenizer != nullptr) {
    write_file(out.path() / "tokenizer.json", tokenizer->to_tokenizer_json());
    write_file(out.path() / "tokenizer_config.json", tokenizer->to_tokenizer_config_json());
  }
  if (options.manifest.is_object() && !options.manifest.empty()) {
    write_file(out.path() / "limbeck.json", to_text(options.manifest, 2) + "\n");
  }
  copy_papers(options.copy_from, out.path());
  write_weights(out.path(), stored, options);
  out.commit();
}

}  // namespace limbeck
