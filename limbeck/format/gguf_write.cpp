#include <algorithm>
#include <bit>
#include <unordered_set>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/terminal.h"
#include "limbeck/base/utf8.h"
#include "limbeck/format/gguf.h"
#include "limbeck/format/gguf_types.h"

namespace limbeck {
namespace {

template <typename T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void append_string(std::string& out, std::string_view text) {
  append<std::uint64_t>(out, text.size());
  out += text;
}

template <typename T>
void append_value(std::string& out, const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    append_string(out, value);
  } else if constexpr (std::is_same_v<T, bool>) {
    append<std::uint8_t>(out, value ? 1 : 0);
  } else {
    append(out, value);
  }
}

template <typename T>
void append_typed(std::string& out, const T& value) {
  append(out, gguf_type_id<T>());
  append_value(out, value);
}

template <typename T>
void append_typed(std::string& out, const std::vector<T>& values) {
  append(out, kGgufArray);
  append(out, gguf_type_id<T>());
  append<std::uint64_t>(out, values.size());
  for (const T value : values) append_value(out, value);
}

void append_typed(std::string& out, const std::vector<std::string>& values) {
  append(out, kGgufArray);
  append(out, gguf_type_id<std::string>());
  append<std::uint64_t>(out, values.size());
  for (const std::string& value : values) append_string(out, value);
}

std::uint64_t aligned(std::uint64_t n, std::uint64_t alignment) {
  return (n + alignment - 1) / alignment * alignment;
}

void check_name(std::string_view name, std::size_t limit, std::string_view what, bool is_new,
                const std::string& path) {
  if (!is_new || name.empty() || name.size() > limit || !is_utf8(name) ||
      name.find('\0') != name.npos) {
    fail(ErrorKind::usage, "{}: {} '{}' is there twice, empty, not UTF-8, or over {} bytes", path,
         what, safe_tty(name), limit);
  }
}

std::string metadata_bytes(GgufMetadata metadata, std::size_t alignment, std::size_t n_tensors,
                           const std::string& path) {
  const auto given =
      std::ranges::find(metadata, "general.alignment", &GgufMetadata::value_type::first);
  if (given == metadata.end() && alignment != 32) {
    metadata.emplace_back("general.alignment", static_cast<std::uint32_t>(alignment));
  } else if (given != metadata.end() &&
             given->second != GgufValue(static_cast<std::uint32_t>(alignment))) {
    fail(ErrorKind::usage, "{}: 'general.alignment' is not the alignment of {}", path, alignment);
  }
  std::string out = "GGUF";
  append<std::uint32_t>(out, 3);
  append<std::uint64_t>(out, n_tensors);
  append<std::uint64_t>(out, metadata.size());
  std::unordered_set<std::string_view> keys;
  for (const auto& [key, value] : metadata) {
    check_name(key, 256, "metadata key", keys.insert(key).second, path);
    append_string(out, key);
    std::visit([&](const auto& typed) { append_typed(out, typed); }, value);
  }
  return out;
}

// The tensors' sizes; appends their infos to `out`.
std::vector<std::uint64_t> append_infos(std::string& out, std::span<const GgufTensor> tensors,
                                        std::size_t alignment, const std::string& path) {
  std::vector<std::uint64_t> sizes;
  std::unordered_set<std::string_view> names;
  std::uint64_t offset = 0;
  for (const GgufTensor& tensor : tensors) {
    check_name(tensor.name, 63, "tensor name", names.insert(tensor.name).second, path);
    if (tensor.shape.size() > 4 || info(tensor.type).gguf_id < 0) {
      fail(ErrorKind::usage, "{}: tensor '{}': GGUF cannot hold {} dimensions of {}", path,
           safe_tty(tensor.name), tensor.shape.size(), info(tensor.type).name);
    }
    append_string(out, tensor.name);
    append(out, static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto n = tensor.shape.rbegin(); n != tensor.shape.rend(); ++n) append(out, *n);
    append(out, static_cast<std::uint32_t>(info(tensor.type).gguf_id));
    append(out, offset);
    offset =
        aligned(offset + sizes.emplace_back(tensor_bytes(tensor.type, tensor.shape)), alignment);
  }
  return sizes;
}

}  // namespace

void write_gguf(const std::filesystem::path& path, const GgufMetadata& metadata,
                std::span<const GgufTensor> tensors, std::size_t alignment) {
  if (!std::has_single_bit(alignment) || alignment < 8 || alignment > 4096) {
    fail(ErrorKind::usage, "{}: an alignment of {} is no power of two from 8 to 4096",
         path.string(), alignment);
  }
  std::string head = metadata_bytes(metadata, alignment, tensors.size(), path.string());
  const auto sizes = append_infos(head, tensors, alignment, path.string());
  std::uint64_t total = aligned(head.size(), alignment);
  for (const std::uint64_t size : sizes) total += aligned(size, alignment);
  check_free_space(path, total);

  AtomicFile file(path);
  file.write(head);
  file.align(alignment);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto bytes = tensors[i].make_bytes();
    if (bytes.size() != sizes[i]) {
      fail(ErrorKind::usage, "{}: tensor '{}' has {} bytes but its shape needs {}", path.string(),
           safe_tty(tensors[i].name), bytes.size(), sizes[i]);
    }
    file.write(bytes);
    file.align(alignment);
  }
  file.commit();
}

}  // namespace limbeck
