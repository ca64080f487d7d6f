#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/json.h"
#include "limbeck/base/limits.h"
#include "limbeck/base/terminal.h"
#include "limbeck/format/safetensors.h"
#include "limbeck/format/shard_index.h"

namespace limbeck {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxFileNameBytes = 255;

bool is_bare_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxFileNameBytes && name[0] != '.' &&
         std::ranges::all_of(name, [](unsigned char c) {
           return std::isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

// A link may lead to the blobs of the same Hugging Face cache entry
// (models--org--name/snapshots/<revision>/file -> ../../blobs/<hash>), and nowhere else.
void refuse_foreign_link(const fs::path& folder, const fs::path& file) {
  if (!fs::is_symlink(file)) return;
  std::error_code error;
  fs::path root = fs::canonical(folder, error);
  if (root.parent_path().filename() == "snapshots") root = root.parent_path().parent_path();
  const fs::path target = fs::canonical(file, error);
  const auto [end, ignored] = std::ranges::mismatch(root, target);
  if (error || end != root.end()) {
    fail_try(ErrorKind::format, "copy the file into the folder",
             "{}: is a link that leaves the model's folder", file.string());
  }
}

[[noreturn]] void refuse_without_weights(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto extension = entry.path().extension();
    if (extension == ".bin" || extension == ".pt" || extension == ".pth" || extension == ".ckpt") {
      fail_try(ErrorKind::unsupported,
               "convert it: transformers' save_pretrained(..., safe_serialization=True)",
               "{}: is a pickle, which can run code when it is read; only safetensors are read",
               entry.path().string());
    }
  }
  fail_try(ErrorKind::usage, "name a folder with config.json and *.safetensors, or a .gguf file",
           "{}: holds neither model.safetensors nor model.safetensors.index.json", folder.string());
}

}  // namespace

ShardIndex parse_shard_index(std::string_view text, std::string_view origin) {
  const Json json = parse_json(text, origin, {.bytes = limits().index_bytes, .depth = 16});
  const auto map = json.find("weight_map");
  if (!json.is_object() || map == json.end() || !map->is_object()) {
    fail(ErrorKind::format, "{}: 'weight_map' must be an object", origin);
  }
  ShardIndex index;
  std::set<std::string> shards;
  for (const auto& item : map->items()) {
    if (!item.value().is_string() || !is_bare_name(item.value().get_ref<const std::string&>())) {
      fail(ErrorKind::format, "{}: 'weight_map': '{}': {} is not a bare file name", origin,
           safe_tty(item.key()), safe_tty(to_text(item.value())));
    }
    shards.insert(item.value().get<std::string>());
    index.shard_of.emplace(item.key(), item.value().get<std::string>());
    if (shards.size() > limits().index_shards) {
      fail_try(ErrorKind::format, raise_limit(&Limits::index_shards), "{}: more than {} shards",
               origin, limits().index_shards);
    }
  }
  index.shards.assign(shards.begin(), shards.end());
  return index;
}

SafetensorsFolder SafetensorsFolder::open(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    fail(ErrorKind::usage, "{}: no such folder", folder.string());
  }
  SafetensorsFolder out;
  const fs::path single = folder / "model.safetensors";
  const fs::path index_path = folder / "model.safetensors.index.json";
  ShardIndex index;
  if (fs::exists(single)) {
    refuse_foreign_link(folder, single);
    out.files_.push_back(SafetensorsReader::open(single));
  } else if (fs::exists(index_path)) {
    refuse_foreign_link(folder, index_path);
    index = parse_shard_index(read_file(index_path, limits().index_bytes), index_path.string());
    for (const std::string& shard : index.shards) {
      refuse_foreign_link(folder, folder / shard);
      out.files_.push_back(SafetensorsReader::open(folder / shard));
    }
  } else {
    refuse_without_weights(folder);
  }

  for (std::size_t f = 0; f < out.files_.size(); ++f) {
    for (const StoredTensor& tensor : out.files_[f].tensors()) {
      if (!index.shards.empty()) {
        const auto named = index.shard_of.find(tensor.name);
        if (named == index.shard_of.end() || named->second != index.shards[f]) {
          fail(ErrorKind::format, "{}: tensor '{}' is in {} but the index names {}",
               index_path.string(), safe_tty(tensor.name), index.shards[f],
               named == index.shard_of.end() ? "no file for it" : named->second);
        }
      }
      out.index_.emplace(tensor.name, out.tensors_.size());
      out.tensors_.push_back(tensor);
    }
  }
  for (const auto& [name, shard] : index.shard_of) {
    if (!out.index_.contains(name)) {
      fail(ErrorKind::format, "{}: tensor '{}' is not in {}", index_path.string(), safe_tty(name),
           shard);
    }
  }
  return out;
}

const StoredTensor* SafetensorsFolder::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace limbeck
