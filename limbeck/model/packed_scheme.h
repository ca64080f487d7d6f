// quantization_config of a Hugging Face folder: weights packed to 4 bits by GPTQ, AWQ or
// compressed-tensors. Sources: the README and code of AutoGPTQ, AutoAWQ and compressed-tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "limbeck/base/json.h"

namespace limbeck {

enum class Packer : std::uint8_t { gptq, awq, compressed_tensors };
std::string_view name(Packer packer) noexcept;

struct PackedScheme {
  Packer packer = Packer::gptq;
  std::int64_t group = 0;       // input columns that share a scale; 0: as the shapes say
  bool zeros_less_one = false;  // GPTQ before version 2 stores each zero point minus 1
  bool operator==(const PackedScheme&) const = default;
};

// What `config` (a whole config.json) says; nullopt if its weights are not packed. Throws
// Error{unsupported} naming the field on another method, width or layout than those read here,
// Error{format} on fields of a wrong type.
std::optional<PackedScheme> packed_scheme(const Json& config, std::string_view origin);

}  // namespace limbeck
