// An importance file (imatrix GGUF).
#include <cmath>

#include "fuzz/file.h"
#include "fuzz/target.h"
#include "limbeck/quantize/importance.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  if (fuzz::through_a_file(size)) {
    fuzz::value_or_error([&] { read_importance(fuzz::MemoryFile(data, size).path()); });
  }
  return fuzz::value_or_error([&] {
    const Importance importance = parse_importance(fuzz::as_bytes(data, size), "fuzz");
    fuzz::require(importance.of("no name in any file").empty(), "nothing is known of others");
    for (const auto& [name, entry] : importance.entries) {
      for (const float value : importance.of(name))
        fuzz::require(value >= 0 && std::isfinite(value), "no NaN, no infinity, no negative");
    }
  });
}
