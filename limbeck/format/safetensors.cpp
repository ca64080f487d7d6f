#include "limbeck/format/safetensors.h"

#include <algorithm>
#include <utility>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/byte_reader.h"
#include "limbeck/base/error.h"
#include "limbeck/base/json.h"
#include "limbeck/base/limits.h"
#include "limbeck/base/terminal.h"
#include "limbeck/base/utf8.h"
#include "limbeck/format/mistaken_file.h"
#include "limbeck/format/safetensors_header.h"

namespace limbeck {
namespace {

// The entries in byte order; checks that they tile the data section: no hole, no overlap.
void check_extents(SafetensorsHeader& header, std::uint64_t data_bytes, std::string_view origin) {
  std::ranges::sort(header.entries, {}, [](const SafetensorsEntry& entry) {
    return std::pair(entry.begin, entry.end);
  });
  std::uint64_t next = 0;
  for (std::size_t i = 0; i < header.entries.size(); ++i) {
    const SafetensorsEntry& entry = header.entries[i];
    header.index[entry.name] = i;
    if (entry.begin != next || entry.end < entry.begin || entry.end > data_bytes) {
      fail(ErrorKind::format,
           "{}: tensor '{}' spans [{}, {}) but must start at {}, within {} bytes of data", origin,
           safe_tty(entry.name), entry.begin, entry.end, next, data_bytes);
    }
    std::uint64_t bytes = 0;
    try {
      bytes = tensor_bytes(entry.type, entry.shape);
    } catch (const Error& error) {
      fail(error.kind(), "{}: tensor '{}': {}", origin, safe_tty(entry.name), error.what());
    }
    if (bytes != entry.end - entry.begin) {
      fail(ErrorKind::format, "{}: tensor '{}' spans [{}, {}) but its shape needs {} bytes", origin,
           safe_tty(entry.name), entry.begin, entry.end, bytes);
    }
    next = entry.end;
  }
  if (next != data_bytes) {
    fail(ErrorKind::format, "{}: {} bytes after the last tensor belong to none", origin,
         data_bytes - next);
  }
}

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

SafetensorsReader SafetensorsReader::open(const std::filesystem::path& path) {
  auto file = std::make_unique<MappedFile>(path);
  SafetensorsReader reader = parse(file->bytes(), path.string());
  reader.file_ = std::move(file);
  return reader;
}

SafetensorsReader SafetensorsReader::parse(std::span<const std::byte> bytes,
                                           std::string_view origin) {
  const bool header_follows = bytes.size() > 8 && bytes[8] == std::byte{'{'};
  if (const std::string remedy = mistaken_for(bytes); !header_follows && !remedy.empty()) {
    fail_try(ErrorKind::format, remedy, "{}: is no safetensors file", origin);
  }
  ByteReader in(bytes, origin);
  const std::string_view text = in.string(limits().safetensors_header_bytes, "header");
  if (!text.starts_with('{')) {
    fail(ErrorKind::format, "{}: the header does not start with '{{'", origin);
  }
  SafetensorsHeader header = parse_safetensors_header(text, origin);
  const auto data = in.take(in.left(), "data");
  check_extents(header, data.size(), origin);

  SafetensorsReader reader;
  reader.origin_ = origin;
  reader.metadata_ = std::move(header.metadata);
  reader.index_ = std::move(header.index);
  reader.tensors_.reserve(header.entries.size());
  for (SafetensorsEntry& entry : header.entries) {
    const auto size = static_cast<std::size_t>(entry.end - entry.begin);
    reader.tensors_.push_back({std::move(entry.name), entry.type, std::move(entry.shape),
                               data.subspan(static_cast<std::size_t>(entry.begin), size)});
  }
  return reader;
}

const StoredTensor* SafetensorsReader::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const StoredTensor& SafetensorsReader::at(std::string_view name) const {
  if (const StoredTensor* tensor = find(name)) return *tensor;
  fail(ErrorKind::format, "{}: there is no tensor '{}'", origin_, safe_tty(name));
}

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
