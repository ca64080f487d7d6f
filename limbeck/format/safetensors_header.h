// The JSON header of a .safetensors file, read event by event: no tree is built, so a hostile
// header costs no more memory than its own size.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "limbeck/base/tensor_type.h"

namespace limbeck {

struct SafetensorsEntry {
  std::string name;
  TensorType type = TensorType::f32;
  Shape shape;
  std::uint64_t begin = 0, end = 0;  // within the data section
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;               // in header order
  std::unordered_map<std::string, std::size_t> index;  // name -> position in entries
  std::map<std::string, std::string> metadata;
};

// Checks names, fields, types and limits, not the offsets. Throws Error{format} naming `origin`,
// Error{unsupported} on a published dtype that has no TensorType.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::string_view origin);

}  // namespace limbeck
