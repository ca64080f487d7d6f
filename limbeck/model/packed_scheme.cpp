#include "limbeck/model/packed_scheme.h"

#include <string>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"

namespace limbeck {
namespace {

constexpr std::string_view kRemedy = "use the original weights, or a GGUF file";
constexpr std::int64_t kLargestGroup = std::int64_t{1} << 24;

[[noreturn]] void refuse(const Fields& fields, std::string_view key, std::string_view found,
                         std::string_view known) {
  fail_try(ErrorKind::unsupported, std::string(kRemedy), "{}: {} is '{}'; read are {}",
           fields.where(), key, found, known);
}

void need_four_bits(Fields& fields, std::string_view key) {
  const std::int64_t bits = fields.required_integer(key);
  if (bits != 4) refuse(fields, key, std::to_string(bits), "4");
}

// -1: a whole row.
std::int64_t group_of(Fields& fields, std::string_view key) {
  const std::int64_t group = fields.required_integer(key, -1, kLargestGroup);
  return group < 0 ? 0 : group;
}

PackedScheme gptq(Fields& fields) {
  need_four_bits(fields, "bits");
  const std::string layout = fields.text("checkpoint_format", "gptq");
  if (layout != "gptq" && layout != "gptq_v2") {
    refuse(fields, "checkpoint_format", layout, "gptq, gptq_v2");
  }
  return {Packer::gptq, group_of(fields, "group_size"), layout == "gptq"};
}

PackedScheme awq(Fields& fields) {
  const bool old = fields.has("w_bit");  // AutoAWQ's own file has other names
  need_four_bits(fields, old ? "w_bit" : "bits");
  std::string layout = fields.text("version", "gemm");
  for (char& c : layout) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  if (layout != "gemm") refuse(fields, "version", layout, "gemm");
  return {Packer::awq, group_of(fields, old ? "q_group_size" : "group_size"), false};
}

PackedScheme compressed_tensors(Fields& fields) {
  const std::string layout = fields.required_text("format");
  if (layout != "pack-quantized") refuse(fields, "format", layout, "pack-quantized");
  const Json* groups = fields.find("config_groups");
  if (groups == nullptr || !groups->is_object() || groups->empty()) {
    fields.refuse("config_groups", "is missing");
  }
  for (const auto& [key, value] : groups->items()) {
    Fields group(value, fields.where() + ": config_groups." + key, ErrorKind::format);
    const Json* weights = group.find("weights");
    if (weights == nullptr) group.refuse("weights", "is missing");
    Fields of_weights(*weights, group.where() + ".weights", ErrorKind::format);
    need_four_bits(of_weights, "num_bits");
    const std::string type = of_weights.text("type", "int");
    if (type != "int") refuse(of_weights, "type", type, "int");
  }
  return {Packer::compressed_tensors, 0, false};
}

}  // namespace

std::string_view name(Packer packer) noexcept {
  constexpr std::string_view names[] = {"gptq", "awq", "compressed-tensors"};
  return names[static_cast<std::size_t>(packer)];
}

std::optional<PackedScheme> packed_scheme(const Json& config, std::string_view origin) {
  if (!config.is_object()) return std::nullopt;
  const auto found = config.find("quantization_config");
  if (found == config.end() || found->is_null()) return std::nullopt;
  Fields fields(*found, std::string(origin) + ": quantization_config", ErrorKind::format);
  const std::string method = fields.required_text("quant_method");
  if (method == name(Packer::gptq)) return gptq(fields);
  if (method == name(Packer::awq)) return awq(fields);
  if (method == name(Packer::compressed_tensors)) return compressed_tensors(fields);
  refuse(fields, "quant_method", method, "gptq, awq, compressed-tensors");
}

}  // namespace limbeck
