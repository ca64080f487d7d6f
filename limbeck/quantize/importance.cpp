#include "limbeck/quantize/importance.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "limbeck/base/error.h"
#include "limbeck/codec/codec.h"
#include "limbeck/format/gguf.h"
#include "limbeck/quantize/importance_names.h"

namespace limbeck {
namespace {

// A column without input counts this part of the mean: nothing to lose, nothing to distort.
constexpr float kEmptyColumn = 1e-4f;

std::vector<float> floats_of(const StoredTensor& tensor, const std::string& origin) {
  if (tensor.type != TensorType::f32) {
    fail(ErrorKind::format, "{}: tensor '{}' has type {}, expected f32", origin, tensor.name,
         info(tensor.type).name);
  }
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  for (const float value : values) {
    if (!std::isfinite(value) || value < 0) {
      fail(ErrorKind::format, "{}: tensor '{}' holds {}; sums of squares are finite and >= 0",
           origin, tensor.name, value);
    }
  }
  return values;
}

// A sum and a count may both be numbers and their quotient none.
void check_means(const ImportanceEntry& entry, const std::string& name, const std::string& origin) {
  for (const float sum : entry.sum_squares) {
    if (entry.count > 0 && double{sum} / entry.count > double{std::numeric_limits<float>::max()}) {
      fail(ErrorKind::format, "{}: tensor '{}' holds {}, too much for a count of {}", origin, name,
           sum, entry.count);
    }
  }
}

const ImportanceEntry* find_shared(const Importance& importance, std::string_view name) {
  for (const std::string& candidate : {std::string(name), input_name(name)}) {
    const auto found = importance.entries.find(candidate);
    if (found != importance.entries.end()) return &found->second;
  }
  return nullptr;
}

}  // namespace

std::string input_name(std::string_view name) {
  std::string shared(name);
  for (const auto& [from, to] :
       {std::pair<std::string_view, std::string_view>{"attn_k.", "attn_q."},
        {"attn_v.", "attn_q."},
        {"ffn_up.", "ffn_gate."}}) {
    if (const auto at = shared.find(from); at != std::string::npos) {
      shared.replace(at, from.size(), to);
    }
  }
  return shared;
}

std::vector<float> Importance::of(std::string_view name) const {
  const ImportanceEntry* entry = find_shared(*this, name);
  if (!entry || !(entry->count > 0)) return {};
  std::vector<float> mean(entry->sum_squares.size());
  double total = 0;
  for (std::size_t i = 0; i < mean.size(); ++i) {
    mean[i] = static_cast<float>(double{entry->sum_squares[i]} / entry->count);
    total += double{mean[i]};
  }
  if (!(total > 0)) return {};
  const auto least = kEmptyColumn * static_cast<float>(total / static_cast<double>(mean.size()));
  for (float& value : mean) {
    if (!(value > 0)) value = least;
  }
  return mean;
}

namespace {

Importance importance_in(const GgufReader& file, const std::string& name_of_file) {
  const std::string* type = file.text("general.type");
  if (!type || *type != "imatrix") {
    fail(ErrorKind::format, "{}: general.type is {}, expected imatrix", name_of_file,
         type ? "'" + *type + "'" : "missing");
  }
  Importance importance;
  importance.chunk_count =
      static_cast<std::uint32_t>(file.integer("imatrix.chunk_count").value_or(0));
  importance.chunk_size =
      static_cast<std::uint32_t>(file.integer("imatrix.chunk_size").value_or(0));
  if (const auto* names = file.array<std::string>("imatrix.datasets")) {
    importance.datasets = *names;
  }
  for (const StoredTensor& tensor : file.tensors()) {
    if (!tensor.name.ends_with(kImportanceSums)) continue;
    const std::string name = tensor.name.substr(0, tensor.name.size() - kImportanceSums.size());
    const StoredTensor* counts = file.find(name + std::string(kImportanceCounts));
    if (!counts) {
      fail(ErrorKind::format, "{}: '{}' has no '{}{}'", name_of_file, tensor.name, name,
           kImportanceCounts);
    }
    const std::vector<float> count = floats_of(*counts, name_of_file);
    if (count.size() != 1) {
      fail(ErrorKind::unsupported, "{}: '{}' is of {} experts; only dense models are supported",
           name_of_file, counts->name, count.size());
    }
    ImportanceEntry entry{floats_of(tensor, name_of_file), double{count[0]}};
    check_means(entry, tensor.name, name_of_file);
    importance.entries[name] = std::move(entry);
  }
  if (importance.entries.empty()) {
    fail(ErrorKind::format, "{}: holds no '*{}' tensors", name_of_file, kImportanceSums);
  }
  return importance;
}

}  // namespace

Importance read_importance(const std::filesystem::path& path) {
  return importance_in(GgufReader::open(path), path.string());
}

Importance parse_importance(std::span<const std::byte> bytes, const std::string& name) {
  return importance_in(GgufReader::parse(bytes, name), name);
}

}  // namespace limbeck
