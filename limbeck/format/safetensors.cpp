#include "limbeck/format/safetensors.h"

#include <algorithm>
#include <utility>

#include "limbeck/base/byte_reader.h"
#include "limbeck/base/error.h"
#include "limbeck/base/limits.h"
#include "limbeck/base/terminal.h"
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

}  // namespace limbeck
