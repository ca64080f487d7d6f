#include "limbeck/model/write_packed.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>

#include "limbeck/codec/blocks.h"
#include "limbeck/codec/grid_format.h"

namespace limbeck {
namespace {

constexpr std::int64_t kGroups[] = {128, 64, 32};

// What engines load as one matrix, by canonical names: "blk.3.qkv"; the name itself otherwise.
std::string fused_name(const std::string& name) {
  const std::size_t dot = name.find('.', 4);
  const std::string layer = name.substr(0, dot), rest = dot == name.npos ? "" : name.substr(dot);
  if (rest == ".attn_q.weight" || rest == ".attn_k.weight" || rest == ".attn_v.weight") {
    return layer + ".qkv";
  }
  if (rest == ".ffn_gate.weight" || rest == ".ffn_up.weight") return layer + ".gate_up";
  return name;
}

std::int64_t rows(const GgufTensor& tensor) { return tensor.shape[0]; }
std::int64_t columns(const GgufTensor& tensor) { return tensor.shape[1]; }

Half scale_of(const std::vector<std::byte>& bytes, std::size_t block) {
  Half d = 0;
  std::memcpy(&d, bytes.data() + block * sizeof(BlockQ4_0), sizeof d);
  return d;
}

bool one_scale_in(const std::vector<std::byte>& bytes, std::int64_t columns, std::int64_t group) {
  if (columns % group != 0) return false;
  const auto blocks = static_cast<std::size_t>(group) / kBlock;
  for (std::size_t i = 0; i < bytes.size() / sizeof(BlockQ4_0); ++i) {
    if (scale_of(bytes, i) != scale_of(bytes, i / blocks * blocks)) return false;
  }
  return true;
}

std::int64_t common_group(std::span<const GgufTensor> tensors) {
  std::size_t choice = 0;
  for (const GgufTensor& tensor : tensors) {
    if (tensor.type != TensorType::q4_0) continue;
    const std::vector<std::byte> bytes = tensor.make_bytes();
    while (kGroups[choice] > 32 && !one_scale_in(bytes, columns(tensor), kGroups[choice])) {
      ++choice;
    }
  }
  return kGroups[choice];
}

// Column c of a row is the nibble c % 8 of word c / 8, low first.
std::vector<std::byte> packed_codes(const std::vector<std::byte>& bytes) {
  const GridFormat& format = *find_grid_format(TensorType::q4_0);
  const std::size_t n = bytes.size() / sizeof(BlockQ4_0);
  std::vector<std::byte> out(n * kBlock / 2);
  UnpackedBlock block;
  for (std::size_t i = 0; i < n; ++i) {
    unpack_block(format, bytes.data() + i * sizeof(BlockQ4_0), block);
    for (std::size_t j = 0; j < kBlock / 2; ++j) {
      out[i * kBlock / 2 + j] =
          static_cast<std::byte>(block.codes[2 * j] | block.codes[2 * j + 1] << 4);
    }
  }
  return out;
}

std::vector<std::byte> group_scales(const std::vector<std::byte>& bytes, std::int64_t group) {
  const auto blocks = static_cast<std::size_t>(group) / kBlock;
  const std::size_t n = bytes.size() / sizeof(BlockQ4_0) / blocks;
  std::vector<std::byte> out(n * sizeof(Half));
  for (std::size_t i = 0; i < n; ++i) {
    const Half d = scale_of(bytes, i * blocks);
    std::memcpy(out.data() + i * sizeof d, &d, sizeof d);
  }
  return out;
}

void add_packed(const GgufTensor& tensor, std::int64_t group, std::vector<GgufTensor>& out) {
  const std::int64_t n = rows(tensor), width = columns(tensor);
  out.push_back({tensor.name + "_packed", TensorType::i32, {n, width / 8}, [tensor] {
                   return packed_codes(tensor.make_bytes());
                 }});
  out.push_back({tensor.name + "_scale", TensorType::f16, {n, width / group}, [tensor, group] {
                   return group_scales(tensor.make_bytes(), group);
                 }});
  out.push_back({tensor.name + "_shape", TensorType::i64, {2}, [n, width] {
                   const std::array<std::int64_t, 2> shape = {n, width};
                   const auto bytes = std::as_bytes(std::span(shape));
                   return std::vector<std::byte>(bytes.begin(), bytes.end());
                 }});
}

Json config_of(std::int64_t group, Json ignore) {
  const Json weights = {{"num_bits", 4},        {"type", "int"},       {"symmetric", true},
                        {"strategy", "group"},  {"group_size", group}, {"dynamic", false},
                        {"observer", "minmax"}, {"actorder", nullptr}};
  return {{"quant_method", "compressed-tensors"},
          {"format", "pack-quantized"},
          {"quantization_status", "compressed"},
          {"config_groups",
           {{"group_0",
             {{"targets", {"Linear"}},
              {"weights", weights},
              {"input_activations", nullptr},
              {"output_activations", nullptr}}}}},
          {"ignore", std::move(ignore)},
          {"kv_cache_scheme", nullptr}};
}

}  // namespace

std::vector<bool> packable(std::span<const NamedTensor> tensors) {
  std::map<std::string, bool> whole;
  for (const NamedTensor& tensor : tensors) {
    const auto [found, added] = whole.emplace(fused_name(tensor.name), true);
    found->second = found->second && tensor.type == TensorType::q4_0;
  }
  std::vector<bool> out;
  for (const NamedTensor& tensor : tensors) {
    out.push_back(tensor.name.starts_with("blk.") && tensor.shape.size() == 2 &&
                  whole.at(fused_name(tensor.name)));
  }
  return out;
}

PackedModel pack_compressed(std::span<const GgufTensor> tensors) {
  const std::int64_t group = common_group(tensors);
  PackedModel out;
  Json ignore = Json::array();
  for (const GgufTensor& tensor : tensors) {
    if (tensor.type == TensorType::q4_0) {
      add_packed(tensor, group, out.tensors);
      continue;
    }
    // Linear modules that keep their weight; names of embeddings there do no harm.
    const std::string ending = ".weight";
    if (tensor.shape.size() == 2 && tensor.name.ends_with(ending)) {
      ignore.push_back(tensor.name.substr(0, tensor.name.size() - ending.size()));
    }
    out.tensors.push_back(tensor);
  }
  out.quantization_config = config_of(group, std::move(ignore));
  return out;
}

}  // namespace limbeck
