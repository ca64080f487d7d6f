#include "fuzz/target.h"
#include "limbeck/format/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  return fuzz::value_or_error([&] {
    const auto reader = SafetensorsReader::parse(fuzz::as_bytes(data, size), "fuzz");
    std::size_t total = 0;
    for (const StoredTensor& tensor : reader.tensors()) {
      fuzz::require(tensor.bytes.size() == tensor_bytes(tensor.type, tensor.shape), "extent");
      fuzz::require(reader.find(tensor.name) == &tensor, "names are unique");
      total += tensor.bytes.size();
    }
    fuzz::require(total <= size, "tensors lie in the file");
  });
}
