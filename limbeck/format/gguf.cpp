#include "limbeck/format/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <type_traits>

#include "limbeck/base/byte_reader.h"
#include "limbeck/base/error.h"
#include "limbeck/base/limits.h"
#include "limbeck/base/terminal.h"
#include "limbeck/base/utf8.h"
#include "limbeck/format/gguf_types.h"
#include "limbeck/format/mistaken_file.h"

namespace limbeck {
namespace {

constexpr std::uint64_t kMaxNameBytes = 63, kMaxDimensions = 4;  // the format's

std::string_view checked_name(std::string_view name, std::string_view what, const ByteReader& in) {
  if (name.empty() || !is_utf8(name) || name.find('\0') != name.npos) {
    fail(ErrorKind::format, "{}: the {} '{}' before offset {} is empty, not UTF-8 or holds a NUL",
         in.origin(), what, safe_tty(name), in.offset());
  }
  return name;
}

template <typename T>
T read_scalar(ByteReader& in, std::string_view key) {
  if constexpr (std::is_same_v<T, std::string>) {
    return T(in.string(limits().gguf_string_bytes, key));
  } else if constexpr (std::is_same_v<T, bool>) {
    const auto byte = in.number<std::uint8_t>(key);
    if (byte > 1) {
      fail(ErrorKind::format, "{}: '{}' holds a boolean of {}", in.origin(), safe_tty(key), byte);
    }
    return byte == 1;
  } else {
    return in.number<T>(key);
  }
}

template <typename T>
GgufValue read_array(ByteReader& in, std::string_view key, std::uint64_t n) {
  constexpr std::uint64_t kSmallest = std::is_same_v<T, std::string> ? 8 : sizeof(T);
  if (n > limits().gguf_array_elements || n > in.left() / kSmallest) {
    fail(ErrorKind::format, "{}: '{}' claims {} elements, with {} bytes left", in.origin(),
         safe_tty(key), n, in.left());
  }
  std::vector<T> values;
  values.reserve(static_cast<std::size_t>(n));
  for (std::uint64_t i = 0; i < n; ++i) values.push_back(read_scalar<T>(in, key));
  return values;
}

GgufValue read_value(ByteReader& in, std::string_view key) {
  const auto type = in.number<std::uint32_t>(key);
  if (type != kGgufArray) {
    return with_gguf_type(type, in.origin(), key, [&]<typename T>(std::type_identity<T>) {
      return GgufValue(read_scalar<T>(in, key));
    });
  }
  const auto element = in.number<std::uint32_t>(key);
  const auto n = in.number<std::uint64_t>(key);
  if (element == kGgufArray) {
    fail(ErrorKind::format, "{}: '{}' is an array of arrays", in.origin(), safe_tty(key));
  }
  return with_gguf_type(element, in.origin(), key, [&]<typename T>(std::type_identity<T>) {
    return read_array<T>(in, key, n);
  });
}

// 2 or 3; the magic is checked first.
int read_version(ByteReader& in, std::span<const std::byte> file) {
  const auto magic = in.take(4, "magic");
  if (std::memcmp(magic.data(), "GGUF", 4) != 0) {
    fail_try(ErrorKind::format, mistaken_for(file),
             "{}: is no GGUF file (it does not start with 'GGUF')", in.origin());
  }
  const auto version = in.number<std::uint32_t>("version");
  if (version != 0 && (version & 0xffffu) == 0) {
    fail(ErrorKind::unsupported, "{}: is a big-endian GGUF file", in.origin());
  }
  if (version < 2 || version > 3) {
    fail(version == 1 ? ErrorKind::unsupported : ErrorKind::format,
         "{}: GGUF version {}; versions 2 and 3 are read", in.origin(), version);
  }
  return static_cast<int>(version);
}

std::uint64_t read_count(ByteReader& in, std::string_view what, std::uint64_t limit,
                         std::uint64_t smallest_bytes) {
  const auto n = in.number<std::uint64_t>(what);
  if (n > limit || n > in.left() / smallest_bytes) {
    fail(ErrorKind::format, "{}: claims {} {}; the limit is {}, and {} bytes are left", in.origin(),
         n, what, limit, in.left());
  }
  return n;
}

struct TensorInfo {
  StoredTensor tensor;
  std::uint64_t offset = 0, bytes = 0;
};

TensorInfo read_tensor_info(ByteReader& in) {
  TensorInfo out;
  out.tensor.name = checked_name(in.string(kMaxNameBytes, "tensor name"), "tensor name", in);
  const std::string& name = out.tensor.name;
  const auto rank = in.number<std::uint32_t>(name);
  if (rank > kMaxDimensions) {
    fail(ErrorKind::format, "{}: tensor '{}' has {} dimensions, the limit is {}", in.origin(),
         safe_tty(name), rank, kMaxDimensions);
  }
  for (std::uint32_t i = 0; i < rank; ++i) {
    const auto n = in.number<std::uint64_t>(name);
    if (n > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      fail(ErrorKind::format, "{}: tensor '{}' has a dimension of {}", in.origin(), safe_tty(name),
           n);
    }
    out.tensor.shape.insert(out.tensor.shape.begin(), static_cast<std::int64_t>(n));
  }
  const auto type = in.number<std::uint32_t>(name);
  const TensorTypeInfo* found = find_gguf_type(type);
  if (found == nullptr) {
    fail(ErrorKind::unsupported, "{}: tensor '{}' has type {}, which is not known here",
         in.origin(), safe_tty(name), type);
  }
  out.tensor.type = found->type;
  out.offset = in.number<std::uint64_t>(name);
  try {
    out.bytes = tensor_bytes(found->type, out.tensor.shape);
  } catch (const Error& error) {
    fail(error.kind(), "{}: tensor '{}': {}", in.origin(), safe_tty(name), error.what());
  }
  return out;
}

// Sets each tensor's bytes; refuses offsets that are unaligned, outside `data`, or shared.
void place(std::vector<TensorInfo>& infos, std::span<const std::byte> data, std::size_t alignment,
           std::string_view origin) {
  std::vector<const TensorInfo*> by_offset;
  for (TensorInfo& info : infos) {
    if (info.offset % alignment != 0 || info.offset > data.size() ||
        info.bytes > data.size() - info.offset) {
      fail(ErrorKind::format,
           "{}: tensor '{}' has {} bytes at offset {}; the data holds {} bytes, aligned to {}",
           origin, safe_tty(info.tensor.name), info.bytes, info.offset, data.size(), alignment);
    }
    info.tensor.bytes =
        data.subspan(static_cast<std::size_t>(info.offset), static_cast<std::size_t>(info.bytes));
    if (info.bytes > 0) by_offset.push_back(&info);
  }
  std::ranges::sort(by_offset, {}, &TensorInfo::offset);
  const auto overlap = std::ranges::adjacent_find(
      by_offset, [](const auto* a, const auto* b) { return a->offset + a->bytes > b->offset; });
  if (overlap != by_offset.end()) {
    fail(ErrorKind::format, "{}: tensors '{}' and '{}' share bytes", origin,
         safe_tty((*overlap)->tensor.name), safe_tty((*(overlap + 1))->tensor.name));
  }
}

std::size_t read_alignment(const GgufValue* value, std::string_view origin) {
  if (value == nullptr) return 32;
  const auto* alignment = std::get_if<std::uint32_t>(value);
  if (alignment == nullptr || !std::has_single_bit(*alignment) || *alignment < 8 ||
      *alignment > 4096) {
    fail(ErrorKind::format,
         "{}: 'general.alignment' must be a u32, a power of two from 8 to 4096; found {}", origin,
         alignment == nullptr ? type_name(*value) : std::to_string(*alignment));
  }
  return *alignment;
}

}  // namespace

GgufReader GgufReader::open(const std::filesystem::path& path) {
  auto file = std::make_unique<MappedFile>(path);
  GgufReader reader = parse(file->bytes(), path.string());
  reader.file_ = std::move(file);
  return reader;
}

GgufReader GgufReader::parse(std::span<const std::byte> bytes, std::string_view origin) {
  ByteReader in(bytes, origin);
  GgufReader out;
  out.origin_ = origin;
  out.version_ = read_version(in, bytes);
  // The smallest tensor info: an empty name, no dimensions, type, offset. The smallest pair: key
  // length, type, one byte.
  const auto n_tensors = read_count(in, "tensors", limits().gguf_tensors, 8 + 4 + 4 + 8);
  const auto n_keys = read_count(in, "metadata keys", limits().gguf_keys, 8 + 4 + 1);

  out.metadata_.reserve(static_cast<std::size_t>(n_keys));
  for (std::uint64_t i = 0; i < n_keys; ++i) {
    std::string key(
        checked_name(in.string(limits().gguf_key_bytes, "metadata key"), "metadata key", in));
    if (!out.keys_.emplace(key, out.metadata_.size()).second) {
      fail(ErrorKind::format, "{}: metadata key '{}' is there twice", origin, safe_tty(key));
    }
    GgufValue value = read_value(in, key);
    out.metadata_.emplace_back(std::move(key), std::move(value));
    if (in.offset() > limits().gguf_metadata_bytes) {
      fail_try(ErrorKind::format, raise_limit(&Limits::gguf_metadata_bytes),
               "{}: over {} bytes of metadata", origin, limits().gguf_metadata_bytes);
    }
  }
  out.alignment_ = read_alignment(out.value("general.alignment"), origin);

  std::vector<TensorInfo> infos;
  infos.reserve(static_cast<std::size_t>(n_tensors));
  for (std::uint64_t i = 0; i < n_tensors; ++i) {
    infos.push_back(read_tensor_info(in));
    const std::string& name = infos.back().tensor.name;
    if (!out.names_.emplace(name, i).second) {
      fail(ErrorKind::format, "{}: tensor '{}' is there twice", origin, safe_tty(name));
    }
  }
  // A file without tensors may end unpadded.
  out.data_offset_ = (in.offset() + out.alignment_ - 1) / out.alignment_ * out.alignment_;
  const auto start =
      static_cast<std::size_t>(std::min<std::uint64_t>(out.data_offset_, bytes.size()));
  place(infos, bytes.subspan(start), out.alignment_, origin);
  out.tensors_.reserve(infos.size());
  for (TensorInfo& info : infos) out.tensors_.push_back(std::move(info.tensor));
  return out;
}

const StoredTensor* GgufReader::find(std::string_view name) const {
  const auto found = names_.find(std::string(name));
  return found == names_.end() ? nullptr : &tensors_[found->second];
}

const GgufValue* GgufReader::value(std::string_view key) const {
  const auto found = keys_.find(std::string(key));
  return found == keys_.end() ? nullptr : &metadata_[found->second].second;
}

namespace {

[[noreturn]] void refuse_type(const std::string& origin, std::string_view key,
                              const GgufValue& value, std::string_view needed) {
  fail(ErrorKind::format, "{}: '{}' must be {}, found {}", origin, key, needed, type_name(value));
}

}  // namespace

std::optional<std::int64_t> GgufReader::integer(std::string_view key) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return std::nullopt;
  return std::visit(
      [&]<typename T>(const T& number) -> std::int64_t {
        if constexpr (std::integral<T> && !std::is_same_v<T, bool>) {
          if (!std::in_range<std::int64_t>(number)) {
            fail(ErrorKind::format, "{}: '{}' is {}, over 2^63", origin_, key, number);
          }
          return static_cast<std::int64_t>(number);
        } else {
          refuse_type(origin_, key, *found, "a whole number");
        }
      },
      *found);
}

std::optional<double> GgufReader::number(std::string_view key) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return std::nullopt;
  return std::visit(
      [&]<typename T>(const T& number) -> double {
        if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
          return static_cast<double>(number);
        } else {
          refuse_type(origin_, key, *found, "a number");
        }
      },
      *found);
}

std::optional<bool> GgufReader::flag(std::string_view key) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return std::nullopt;
  if (const bool* flag = std::get_if<bool>(found)) return *flag;
  refuse_type(origin_, key, *found, "a boolean");
}

const std::string* GgufReader::text(std::string_view key) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return nullptr;
  if (const auto* text = std::get_if<std::string>(found)) return text;
  refuse_type(origin_, key, *found, "a string");
}

template <typename T>
const std::vector<T>* GgufReader::array(std::string_view key) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return nullptr;
  if (const auto* array = std::get_if<std::vector<T>>(found)) return array;
  refuse_type(origin_, key, *found, type_name(std::vector<T>()));
}

template const std::vector<std::uint8_t>* GgufReader::array(std::string_view) const;
template const std::vector<std::int8_t>* GgufReader::array(std::string_view) const;
template const std::vector<std::uint16_t>* GgufReader::array(std::string_view) const;
template const std::vector<std::int16_t>* GgufReader::array(std::string_view) const;
template const std::vector<std::uint32_t>* GgufReader::array(std::string_view) const;
template const std::vector<std::int32_t>* GgufReader::array(std::string_view) const;
template const std::vector<float>* GgufReader::array(std::string_view) const;
template const std::vector<bool>* GgufReader::array(std::string_view) const;
template const std::vector<std::string>* GgufReader::array(std::string_view) const;
template const std::vector<std::uint64_t>* GgufReader::array(std::string_view) const;
template const std::vector<std::int64_t>* GgufReader::array(std::string_view) const;
template const std::vector<double>* GgufReader::array(std::string_view) const;

std::string type_name(const GgufValue& value) {
  constexpr std::array<std::string_view, 12> kNames = {
      "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "u64", "i64", "f64"};
  const bool is_array = value.index() >= kNames.size();
  const auto name = kNames[value.index() % kNames.size()];
  return is_array ? fmt::format("array of {}", name) : std::string(name);
}

}  // namespace limbeck
