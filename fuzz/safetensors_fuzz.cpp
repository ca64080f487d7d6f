#include "fuzz/file.h"
#include "fuzz/target.h"
#include "limbeck/format/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  if (fuzz::through_a_file(size)) {
    fuzz::value_or_error([&] { SafetensorsReader::open(fuzz::MemoryFile(data, size).path()); });
  }
  return fuzz::value_or_error([&] {
    const auto reader = SafetensorsReader::parse(fuzz::as_bytes(data, size), "fuzz");
    std::size_t total = 0;
    for (const StoredTensor& tensor : reader.tensors()) {
      fuzz::require(tensor.bytes.size() == tensor_bytes(tensor.type, tensor.shape), "extent");
      fuzz::require(&reader.at(tensor.name) == &tensor, "names are unique");
      total += tensor.bytes.size();
    }
    fuzz::require(total <= size, "tensors lie in the file");
    reader.at("no name in any file");
    fuzz::require(false, "what is not there is an error");
  });
}
