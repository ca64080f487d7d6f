// GGUF v3 files: header, typed key-value metadata, tensor infos, aligned tensor data.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "limbeck/base/mapped_file.h"
#include "limbeck/format/stored_tensor.h"

namespace limbeck {

// A metadata value. Arrays are homogeneous and not nested. Integers keep their stored width.
using GgufValue =
    std::variant<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t,
                 std::int32_t, float, bool, std::string, std::uint64_t, std::int64_t, double,
                 std::vector<std::uint8_t>, std::vector<std::int8_t>, std::vector<std::uint16_t>,
                 std::vector<std::int16_t>, std::vector<std::uint32_t>, std::vector<std::int32_t>,
                 std::vector<float>, std::vector<bool>, std::vector<std::string>,
                 std::vector<std::uint64_t>, std::vector<std::int64_t>, std::vector<double>>;

using GgufMetadata = std::vector<std::pair<std::string, GgufValue>>;  // in file order

class GgufReader {
 public:
  // Throws as MappedFile and as `parse`.
  static GgufReader open(const std::filesystem::path& path);

  // Limits: reference trust table (65,536 keys, 262,144 tensors, 16 MiB strings, ...).
  // Versions 2 and 3. Throws Error{format} (Error{unsupported} on an unknown tensor type).
  static GgufReader parse(std::span<const std::byte> bytes, std::string_view origin);

  const GgufMetadata& metadata() const noexcept { return metadata_; }
  std::span<const StoredTensor> tensors() const noexcept { return tensors_; }
  const StoredTensor* find(std::string_view name) const;  // nullptr if absent
  const std::string& origin() const noexcept { return origin_; }

  // Where the tensors' bytes start, and what they are aligned to.
  std::uint64_t data_offset() const noexcept { return data_offset_; }
  std::size_t alignment() const noexcept { return alignment_; }
  int version() const noexcept { return version_; }

  // nullptr / nullopt if the key is absent. Throw Error{format} if it has another type
  // (any integer type serves `integer`, any number `number`).
  const GgufValue* value(std::string_view key) const;
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> flag(std::string_view key) const;
  const std::string* text(std::string_view key) const;
  template <typename T>
  const std::vector<T>* array(std::string_view key) const;  // T: float, int32_t, std::string, ...

 private:
  std::string origin_;
  std::unique_ptr<MappedFile> file_;
  GgufMetadata metadata_;
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string, std::size_t> keys_, names_;
  std::uint64_t data_offset_ = 0;
  std::size_t alignment_ = 32;
  int version_ = 3;
};

// "u32", "string", "array of f32": a value's type, for people.
std::string type_name(const GgufValue& value);

using GgufTensor = TensorSource;

// Writes atomically. Throws Error{io}; Error{usage} on duplicate or over-long names, rank over 4,
// or bytes that do not fit the shape.
void write_gguf(const std::filesystem::path& path, const GgufMetadata& metadata,
                std::span<const GgufTensor> tensors, std::size_t alignment = 32);

}  // namespace limbeck
