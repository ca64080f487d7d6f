// .safetensors files: u64 header length, JSON header, then the tensors' bytes; single or sharded.
// Format: https://github.com/huggingface/safetensors#format
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "limbeck/base/mapped_file.h"
#include "limbeck/format/stored_tensor.h"

namespace limbeck {

class SafetensorsReader {
 public:
  // Maps the file and checks the whole header, so later calls cannot find it damaged.
  // Throws as MappedFile and as `parse`.
  static SafetensorsReader open(const std::filesystem::path& path);

  // Reads bytes already in memory, which must outlive the reader; `origin` names them in errors.
  // Throws Error{format} on a header over 100 MB or past the end, bad JSON, duplicate or non-UTF-8
  // names, an unknown dtype, rank over 8, a size that overflows, and bytes that overlap or belong
  // to no tensor.
  static SafetensorsReader parse(std::span<const std::byte> bytes, std::string_view origin);

  std::span<const StoredTensor> tensors() const noexcept { return tensors_; }  // in byte order
  const StoredTensor* find(std::string_view name) const;                       // nullptr if absent
  const StoredTensor& at(std::string_view name) const;  // throws Error{format} if absent
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }

 private:
  std::string origin_;
  std::unique_ptr<MappedFile> file_;  // null after `parse`
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string, std::size_t> index_;  // name -> position in tensors_
  std::map<std::string, std::string> metadata_;
};

// The weights of a Hugging Face folder: model.safetensors, or model.safetensors.index.json and its
// shards. Shard names must be bare file names of that folder; every tensor of the index must be in
// the shard it names, and in no other.
class SafetensorsFolder {
 public:
  // Throws Error{usage} if the folder has neither file, Error{format} otherwise. Pickled weights
  // (*.bin, *.pt) are refused with the remedy to convert them.
  static SafetensorsFolder open(const std::filesystem::path& folder);

  std::span<const StoredTensor> tensors() const noexcept { return tensors_; }
  const StoredTensor* find(std::string_view name) const;

 private:
  std::vector<SafetensorsReader> files_;
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string, std::size_t> index_;
};

// Writes one file atomically; tensors in the order given, data aligned to 8 bytes.
// Throws Error{io}; Error{usage} on duplicate names, a type safetensors cannot hold, or bytes that
// do not fit the shape.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorSource> tensors,
                       const std::map<std::string, std::string>& metadata = {});
void write_safetensors(const std::filesystem::path& path, std::span<const StoredTensor> tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace limbeck
