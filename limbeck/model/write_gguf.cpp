// write_gguf_model: canonical tensors, architecture and tokenizer as one GGUF file.
// Keys: ggml docs/gguf.md; file types: llama.cpp include/llama.h, enum llama_ftype.
#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/error.h"
#include "limbeck/base/json.h"
#include "limbeck/model/compose.h"
#include "limbeck/model/gguf_keys.h"
#include "limbeck/model/rope.h"

namespace limbeck {
namespace {

struct FileType {
  TensorType type;
  std::uint32_t id;
};
constexpr FileType kFileTypes[] = {
    {TensorType::f32, 0},      {TensorType::f16, 1},     {TensorType::q4_0, 2},
    {TensorType::q4_1, 3},     {TensorType::q8_0, 7},    {TensorType::q5_0, 8},
    {TensorType::q5_1, 9},     {TensorType::q2_k, 10},   {TensorType::q3_k, 12},
    {TensorType::q4_k, 15},    {TensorType::q5_k, 17},   {TensorType::q6_k, 18},
    {TensorType::iq2_xxs, 19}, {TensorType::iq2_xs, 20}, {TensorType::iq3_xxs, 23},
    {TensorType::iq4_nl, 25},  {TensorType::iq3_s, 26},  {TensorType::iq2_s, 28},
    {TensorType::iq4_xs, 30},  {TensorType::bf16, 32},   {TensorType::tq1_0, 36},
    {TensorType::tq2_0, 37},   {TensorType::mxfp4, 38},
};

std::uint64_t count_of(const Shape& shape) {
  std::uint64_t count = 1;
  for (const std::int64_t size : shape) count *= static_cast<std::uint64_t>(size);
  return count;
}

std::uint64_t bytes_of(const GgufTensor& tensor) {
  const std::int64_t columns = tensor.shape.back();
  return row_bytes(tensor.type, columns) *
         (count_of(tensor.shape) / static_cast<std::uint64_t>(columns));
}

// The type that holds most weights names the file.
std::uint32_t common_file_type(std::span<const GgufTensor> tensors) {
  std::map<TensorType, std::uint64_t> weights;
  for (const GgufTensor& tensor : tensors) {
    if (tensor.shape.size() > 1) weights[tensor.type] += count_of(tensor.shape);
  }
  const auto most =
      std::ranges::max_element(weights, {}, [](const auto& row) { return row.second; });
  for (const FileType& row : kFileTypes) {
    if (row.type == most->first) return row.id;
  }
  return 0;
}

template <typename T>
void pad(GgufMetadata& metadata, std::string_view key, std::size_t size, const T& value) {
  for (auto& [name, held] : metadata) {
    if (name != key) continue;
    if (auto* list = std::get_if<std::vector<T>>(&held)) list->resize(size, value);
  }
}

// llama.cpp wants as many tokens as the embedding has rows.
GgufMetadata vocabulary(const Tokenizer* tokenizer, const Architecture& a) {
  GgufMetadata out;
  if (tokenizer == nullptr) {
    out.emplace_back("tokenizer.ggml.model", std::string("no_vocab"));
    return out;
  }
  out = tokenizer->to_gguf();
  const auto size = static_cast<std::size_t>(a.vocab_size);
  for (auto& [name, held] : out) {
    auto* tokens = std::get_if<std::vector<std::string>>(&held);
    if (name != "tokenizer.ggml.tokens" || tokens == nullptr) continue;
    if (tokens->size() > size) {
      fail(ErrorKind::usage, "the tokenizer has {} tokens but the model's vocabulary {}",
           tokens->size(), size);
    }
    while (tokens->size() < size) tokens->push_back(fmt::format("[PAD{}]", tokens->size()));
  }
  constexpr std::int32_t kUnused = 5;  // token type
  pad<std::int32_t>(out, "tokenizer.ggml.token_type", size, kUnused);
  pad<float>(out, "tokenizer.ggml.scores", size, -10000.0f);
  return out;
}

GgufTensor factor_tensor(std::string name, const std::vector<double>& factors) {
  return {std::move(name), TensorType::f32, {static_cast<std::int64_t>(factors.size())}, [factors] {
            const std::vector<float> narrow(factors.begin(), factors.end());
            std::vector<std::byte> bytes(narrow.size() * sizeof(float));
            std::memcpy(bytes.data(), narrow.data(), bytes.size());
            return bytes;
          }};
}

void add_rope_factors(const Architecture& a, std::vector<GgufTensor>& tensors) {
  if (a.rope_scaling.kind == RopeScaling::Kind::llama3) {
    tensors.push_back(factor_tensor("rope_freqs.weight", llama3_factors(a)));
  } else if (a.rope_scaling.kind == RopeScaling::Kind::longrope) {
    tensors.push_back(factor_tensor("rope_factors_long.weight", a.rope_scaling.long_factors));
    tensors.push_back(factor_tensor("rope_factors_short.weight", a.rope_scaling.short_factors));
  }
}

// "1.2B", "135M", "656K": as llama.cpp's converter names sizes.
std::string size_label(std::int64_t parameters) {
  const auto n = static_cast<double>(parameters);
  if (n >= 1e9) return fmt::format("{:.1f}B", n / 1e9);
  if (n >= 1e6) return fmt::format("{:.0f}M", n / 1e6);
  return fmt::format("{:.0f}K", n / 1e3);
}

}  // namespace

void write_gguf_model(const std::filesystem::path& path, const Architecture& a,
                      const Tokenizer* tokenizer, std::span<const NamedTensor> tensors,
                      const WriteOptions& options) {
  check(a, path.string());
  GgufMetadata metadata = gguf_keys(a);
  std::vector<GgufTensor> stored = compose(a, tensors, StoredIn::gguf);
  const std::uint32_t file_type = options.file_type >= 0
                                      ? static_cast<std::uint32_t>(options.file_type)
                                      : common_file_type(stored);
  add_rope_factors(a, stored);
  metadata.emplace_back("general.type", std::string("model"));
  if (!a.name.empty()) metadata.emplace_back("general.name", a.name);
  metadata.emplace_back("general.size_label", size_label(parameter_count(a)));
  metadata.emplace_back("general.file_type", file_type);
  metadata.emplace_back("general.quantization_version", std::uint32_t{2});
  if (options.manifest.is_object() && !options.manifest.empty()) {
    metadata.emplace_back("limbeck.manifest", to_text(options.manifest));
  }
  for (const auto& row : options.extra_metadata) metadata.push_back(row);
  for (auto& row : vocabulary(tokenizer, a)) metadata.push_back(std::move(row));
  std::uint64_t bytes = 0;
  for (const GgufTensor& tensor : stored) bytes += bytes_of(tensor);
  check_free_space(path, bytes);
  write_gguf(path, metadata, stored);
}

}  // namespace limbeck
