#include "fuzz/target.h"
#include "limbeck/format/safetensors.h"
#include "limbeck/model/packed_weights.h"

// The first byte chooses the layout, the rest is a .safetensors file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  return fuzz::value_or_error([&] {
    const auto choice = static_cast<unsigned>(size > 0 ? data[0] : 0);
    const auto bytes = fuzz::as_bytes(data, size).subspan(size > 0 ? 1 : 0);
    const auto file = SafetensorsReader::parse(bytes, "fuzz");
    const PackedScheme scheme{static_cast<Packer>(choice % 3), choice / 3 % 2 * 32, choice > 127};
    const PackedWeights weights(
        file.tensors(), [&file](std::string_view name) { return file.find(name); }, scheme);
    for (const StoredTensor& tensor : file.tensors()) {
      const std::string name = weights.matrix_of(tensor.name);
      fuzz::require(name.empty() || weights.find(name) != nullptr, "a part's matrix is there");
    }
    fuzz::require(weights.notes().size() <= file.tensors().size(), "notes");
    const PackedMatrix* matrix = weights.find("w.weight");
    if (matrix == nullptr) return;
    const Shape& shape = matrix->stored().shape;
    fuzz::require(matrix->unpack().size() == row_bytes(matrix->stored().type, shape[1]) *
                                                 static_cast<std::size_t>(shape[0]),
                  "rows");
  });
}
