#include "limbeck/runtime/random_model.h"

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"
#include "limbeck/model/checkpoint.h"

namespace limbeck {
namespace {

Architecture llama(std::int64_t vocab, std::int64_t hidden, std::int64_t layers, std::int64_t heads,
                   std::int64_t kv_heads, std::int64_t ffn, double theta) {
  Architecture a;
  a.family = Family::llama;
  a.vocab_size = vocab;
  a.context_length = 8192;
  a.hidden = hidden;
  a.layers = layers;
  a.heads = heads;
  a.kv_heads = kv_heads;
  a.head_dim = hidden / heads;
  a.ffn = ffn;
  a.rope_style = RopeStyle::interleaved;
  a.rope_theta = theta;
  a.rope_dim = a.head_dim;
  a.attention_scale = 1 / std::sqrt(static_cast<double>(a.head_dim));
  a.tied_embeddings = true;
  return a;
}

// Norm weights near 1, biases and weights near 0.
std::vector<float> values_of(const TensorSpec& spec, Random& random) {
  std::size_t n = 1;
  for (const std::int64_t d : spec.shape) n *= static_cast<std::size_t>(d);
  const bool norm = spec.shape.size() == 1 && spec.name.ends_with(".weight");
  const double size = spec.shape.size() == 1 ? 0.1 : 1 / std::sqrt(spec.shape.back());
  // A full normal deviate for each weight of a billion would take a minute: draw from a table.
  std::array<float, 4096> table;
  for (float& value : table) value = static_cast<float>((norm ? 1 : 0) + size * random.normal());
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; i += 2) {
    const std::uint32_t bits = random();
    values[i] = table[bits & 4095];
    if (i + 1 < n) values[i + 1] = table[bits >> 16 & 4095];
  }
  return values;
}

}  // namespace

Architecture known_shape(std::string_view name) {
  if (name == "smollm2-135m") return llama(49152, 576, 30, 9, 3, 1536, 100000);
  if (name == "llama-3.2-1b") return llama(128256, 2048, 16, 32, 8, 8192, 500000);
  fail(ErrorKind::usage, "no shape '{}': smollm2-135m or llama-3.2-1b", name);
}

void write_random_model(const std::filesystem::path& path, const Architecture& architecture,
                        TensorType type, std::uint64_t seed, const Tokenizer* tokenizer) {
  std::vector<NamedTensor> tensors;
  std::uint64_t stream = 0;
  for (const TensorSpec& spec : tensor_specs(architecture)) {
    TensorType stored = spec.shape.size() == 1 ? TensorType::f32 : type;
    const auto columns = static_cast<std::size_t>(spec.shape.back());
    if (columns % info(stored).block_weights != 0) stored = TensorType::f16;
    const auto make = [spec, stored, columns, seed, own = stream++] {
      Random random(seed, own);
      const std::vector<float> values = values_of(spec, random);
      const std::size_t row = row_bytes(stored, static_cast<std::int64_t>(columns));
      std::vector<std::byte> bytes(values.size() / columns * row);
      for (std::size_t r = 0; r * columns < values.size(); ++r) {
        encode_row(stored, std::span(values).subspan(r * columns, columns),
                   std::span(bytes).subspan(r * row, row));
      }
      return bytes;
    };
    tensors.push_back({spec.name, stored, spec.shape, make});
  }
  write_gguf_model(path, architecture, tokenizer, tensors);
}

}  // namespace limbeck
