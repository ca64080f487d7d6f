// Hand-made GGUF bytes for tests: anything can be put where it does not belong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace limbeck::gguf_bytes {

template <typename T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
inline std::string u32(std::uint32_t value) { return raw(value); }
inline std::string u64(std::uint64_t value) { return raw(value); }
inline std::string text(std::string_view value) { return u64(value.size()) + std::string(value); }

inline std::string header(std::uint64_t n_tensors, std::uint64_t n_keys,
                          std::uint32_t version = 3) {
  return "GGUF" + u32(version) + u64(n_tensors) + u64(n_keys);
}
inline std::string key_u32(std::string_view name, std::uint32_t value) {
  return text(name) + u32(4) + u32(value);
}
// dimensions innermost first, as stored
inline std::string tensor(std::string_view name, std::initializer_list<std::uint64_t> dimensions,
                          std::uint32_t type, std::uint64_t offset) {
  std::string out = text(name) + u32(static_cast<std::uint32_t>(dimensions.size()));
  for (const std::uint64_t n : dimensions) out += u64(n);
  return out + u32(type) + u64(offset);
}
// Pads to 32 bytes and appends the data.
inline std::string with_data(std::string file, std::size_t data_bytes) {
  file.resize((file.size() + 31) / 32 * 32, '\0');
  return file + std::string(data_bytes, '\1');
}

}  // namespace limbeck::gguf_bytes
