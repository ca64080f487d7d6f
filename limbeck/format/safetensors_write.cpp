#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/json.h"
#include "limbeck/base/limits.h"
#include "limbeck/base/terminal.h"
#include "limbeck/base/utf8.h"
#include "limbeck/format/safetensors.h"

namespace limbeck {
namespace {

// The header's bytes, padded so that the data starts at a multiple of 8.
std::string make_header(std::span<const TensorSource> tensors,
                        const std::map<std::string, std::string>& metadata,
                        std::vector<std::uint64_t>& sizes, const std::string& path) {
  Json::object_t header;
  using Members = std::vector<std::pair<const std::string, Json>>;
  Members& members = header;  // its own insertion would search all of it each time
  if (!metadata.empty()) members.emplace_back("__metadata__", Json(metadata));
  std::unordered_map<std::string_view, bool> names{{"__metadata__", true}};
  std::uint64_t offset = 0;
  for (const TensorSource& tensor : tensors) {
    if (!names.emplace(tensor.name, true).second || !is_utf8(tensor.name)) {
      fail(ErrorKind::usage, "{}: tensor name '{}' is there twice, reserved or not UTF-8", path,
           safe_tty(tensor.name));
    }
    if (info(tensor.type).safetensors.empty()) {
      fail(ErrorKind::usage, "{}: tensor '{}': safetensors cannot hold {}", path,
           safe_tty(tensor.name), info(tensor.type).name);
    }
    const std::uint64_t bytes = sizes.emplace_back(tensor_bytes(tensor.type, tensor.shape));
    members.emplace_back(tensor.name, Json{{"dtype", info(tensor.type).safetensors},
                                           {"shape", Json(tensor.shape)},
                                           {"data_offsets", {offset, offset + bytes}}});
    offset += bytes;
  }
  std::string text = Json(std::move(header)).dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > limits().safetensors_header_bytes) {
    fail(ErrorKind::usage, "{}: a header of {} bytes is over the format's limit of {}", path,
         text.size(), limits().safetensors_header_bytes);
  }
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::span<const TensorSource> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<std::uint64_t> sizes;
  const std::string header = make_header(tensors, metadata, sizes, path.string());
  std::uint64_t total = sizeof(std::uint64_t) + header.size();
  for (const std::uint64_t size : sizes) total += size;
  check_free_space(path, total);

  AtomicFile file(path);
  const std::uint64_t header_bytes = header.size();
  file.write(std::as_bytes(std::span(&header_bytes, 1)));
  file.write(header);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto bytes = tensors[i].make_bytes();
    if (bytes.size() != sizes[i]) {
      fail(ErrorKind::usage, "{}: tensor '{}' has {} bytes but its shape needs {}", path.string(),
           safe_tty(tensors[i].name), bytes.size(), sizes[i]);
    }
    file.write(bytes);
  }
  file.commit();
}

void write_safetensors(const std::filesystem::path& path, std::span<const StoredTensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<TensorSource> sources;
  sources.reserve(tensors.size());
  for (const StoredTensor& tensor : tensors) {
    sources.push_back({tensor.name, tensor.type, tensor.shape, [bytes = tensor.bytes] {
                         return std::vector<std::byte>(bytes.begin(), bytes.end());
                       }});
  }
  write_safetensors(path, sources, metadata);
}

}  // namespace limbeck
