#include <span>
#include <utility>

#include "limbeck/format/gguf.h"
#include "limbeck/quantize/importance.h"
#include "limbeck/quantize/importance_names.h"

namespace limbeck {
namespace {

GgufTensor float_tensor(std::string name, Shape shape, std::vector<float> values) {
  return {std::move(name), TensorType::f32, std::move(shape), [values = std::move(values)] {
            const auto bytes = std::as_bytes(std::span(values));
            return std::vector<std::byte>(bytes.begin(), bytes.end());
          }};
}

// The matrices that an entry is known to speak for, by the names under which llama.cpp looks for
// them.
std::vector<std::string> names_of(const std::string& name) {
  std::vector<std::string> names = {name};
  for (const auto& [from, to] :
       {std::pair<std::string_view, std::string_view>{"attn_q.", "attn_k."},
        {"attn_q.", "attn_v."},
        {"attn_q.", "attn_qkv."},
        {"ffn_gate.", "ffn_up."}}) {
    if (const auto at = name.find(from); at != std::string::npos) {
      names.push_back(std::string(name).replace(at, from.size(), to));
    }
  }
  return names;
}

}  // namespace

void write_importance(const std::filesystem::path& path, const Importance& importance) {
  const GgufMetadata metadata = {{"general.type", std::string("imatrix")},
                                 {"imatrix.datasets", importance.datasets},
                                 {"imatrix.chunk_count", importance.chunk_count},
                                 {"imatrix.chunk_size", importance.chunk_size}};
  std::vector<GgufTensor> tensors;
  std::map<std::string, const ImportanceEntry*> all;
  for (const auto& [name, entry] : importance.entries) {
    for (const std::string& each : names_of(name)) all.emplace(each, &entry);
  }
  for (const auto& [name, entry] : importance.entries) all[name] = &entry;
  for (const auto& [name, entry] : all) {
    const auto columns = static_cast<std::int64_t>(entry->sum_squares.size());
    tensors.push_back(
        float_tensor(name + std::string(kImportanceSums), {1, columns}, entry->sum_squares));
    tensors.push_back(float_tensor(name + std::string(kImportanceCounts), {1, 1},
                                   {static_cast<float>(entry->count)}));
  }
  write_gguf(path, metadata, tensors);
}

}  // namespace limbeck
