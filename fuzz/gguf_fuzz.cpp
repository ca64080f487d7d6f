#include "fuzz/file.h"
#include "fuzz/target.h"
#include "limbeck/format/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  if (fuzz::through_a_file(size)) {
    fuzz::value_or_error([&] { GgufReader::open(fuzz::MemoryFile(data, size).path()); });
  }
  return fuzz::value_or_error([&] {
    const auto bytes = fuzz::as_bytes(data, size);
    const auto reader = GgufReader::parse(bytes, "fuzz");
    for (const StoredTensor& tensor : reader.tensors()) {
      fuzz::require(tensor.bytes.size() == tensor_bytes(tensor.type, tensor.shape), "extent");
      fuzz::require(tensor.bytes.empty() ||
                        (tensor.bytes.data() >= bytes.data() &&
                         tensor.bytes.data() + tensor.bytes.size() <= bytes.data() + bytes.size()),
                    "tensors lie in the file");
      fuzz::require(reader.find(tensor.name) == &tensor, "names are unique");
    }
    for (const auto& [key, value] : reader.metadata()) {
      fuzz::require(reader.value(key) == &value, "keys are unique");
    }
  });
}
