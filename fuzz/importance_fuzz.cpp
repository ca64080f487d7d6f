// An importance file (imatrix GGUF).
#include "fuzz/file.h"
#include "fuzz/target.h"
#include "limbeck/quantize/importance.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  const fuzz::MemoryFile file(data, size);
  return fuzz::value_or_error([&] {
    const Importance importance = read_importance(file.path());
    for (const auto& [name, entry] : importance.entries) {
      for (const float value : importance.of(name))
        fuzz::require(value >= 0, "no NaN, no negative");
    }
  });
}
