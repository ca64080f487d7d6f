// Value type ids of GGUF metadata.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, enum gguf_metadata_value_type
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "limbeck/base/error.h"
#include "limbeck/base/terminal.h"

namespace limbeck {

inline constexpr std::uint32_t kGgufArray = 9;

template <typename T>
constexpr std::uint32_t gguf_type_id() {
  if constexpr (std::is_same_v<T, std::uint8_t>) return 0;
  if constexpr (std::is_same_v<T, std::int8_t>) return 1;
  if constexpr (std::is_same_v<T, std::uint16_t>) return 2;
  if constexpr (std::is_same_v<T, std::int16_t>) return 3;
  if constexpr (std::is_same_v<T, std::uint32_t>) return 4;
  if constexpr (std::is_same_v<T, std::int32_t>) return 5;
  if constexpr (std::is_same_v<T, float>) return 6;
  if constexpr (std::is_same_v<T, bool>) return 7;
  if constexpr (std::is_same_v<T, std::string>) return 8;
  if constexpr (std::is_same_v<T, std::uint64_t>) return 10;
  if constexpr (std::is_same_v<T, std::int64_t>) return 11;
  if constexpr (std::is_same_v<T, double>) return 12;
}

// action(std::type_identity<T>) with the C++ type of an id that is no array. Throws Error{format}
// on an unknown id.
template <typename Action>
auto with_gguf_type(std::uint32_t id, std::string_view origin, std::string_view key,
                    const Action& action) {
  switch (id) {
    case 0:
      return action(std::type_identity<std::uint8_t>());
    case 1:
      return action(std::type_identity<std::int8_t>());
    case 2:
      return action(std::type_identity<std::uint16_t>());
    case 3:
      return action(std::type_identity<std::int16_t>());
    case 4:
      return action(std::type_identity<std::uint32_t>());
    case 5:
      return action(std::type_identity<std::int32_t>());
    case 6:
      return action(std::type_identity<float>());
    case 7:
      return action(std::type_identity<bool>());
    case 8:
      return action(std::type_identity<std::string>());
    case 10:
      return action(std::type_identity<std::uint64_t>());
    case 11:
      return action(std::type_identity<std::int64_t>());
    case 12:
      return action(std::type_identity<double>());
    default:
      fail(ErrorKind::format, "{}: '{}' has the unknown value type {}", origin, safe_tty(key), id);
  }
}

}  // namespace limbeck
