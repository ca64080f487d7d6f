#include "limbeck/model/packed_weights.h"

#include <fmt/core.h>

#include <map>

namespace limbeck {
namespace {

constexpr std::string_view kParts[] = {".qweight",      ".qzeros",        ".scales",
                                       ".g_idx",        ".weight_packed", ".weight_scale",
                                       ".weight_shape", ".weight_g_idx",  ".weight_zero_point"};

}  // namespace

PackedWeights::PackedWeights(std::span<const StoredTensor> tensors, const FindTensor& find,
                             const PackedScheme& scheme)
    : packer_(scheme.packer) {
  const std::string_view ending =
      packer_ == Packer::compressed_tensors ? ".weight_packed" : ".qweight";
  for (const StoredTensor& tensor : tensors) {
    if (!tensor.name.ends_with(ending)) continue;
    const std::string prefix = tensor.name.substr(0, tensor.name.size() - ending.size());
    auto matrix = std::make_unique<PackedMatrix>(find, scheme, prefix);
    const std::string name = matrix->stored().name;
    matrices_.emplace(name, std::move(matrix));
  }
}

const PackedMatrix* PackedWeights::find(std::string_view name) const {
  const auto found = matrices_.find(std::string(name));
  return found == matrices_.end() ? nullptr : found->second.get();
}

std::string PackedWeights::matrix_of(std::string_view part) const {
  for (const std::string_view ending : kParts) {
    if (!part.ends_with(ending)) continue;
    std::string name = std::string(part.substr(0, part.size() - ending.size())) + ".weight";
    if (matrices_.contains(name)) return name;
  }
  return {};
}

std::vector<std::string> PackedWeights::notes() const {
  std::map<std::pair<TensorType, std::string>, int> counts;
  for (const auto& [name, matrix] : matrices_) counts[{matrix->stored().type, matrix->why()}] += 1;
  std::vector<std::string> notes;
  for (const auto& [key, count] : counts) {
    const auto& [type, why] = key;
    notes.push_back(fmt::format("{}: {} matrices are {} exactly{}", name(packer_), count,
                                info(type).name, why.empty() ? "" : "; " + why));
  }
  return notes;
}

}  // namespace limbeck
