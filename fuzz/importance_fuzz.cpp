// An importance file (imatrix GGUF).
#include <cmath>

#include "fuzz/target.h"
#include "limbeck/quantize/importance.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  return fuzz::value_or_error([&] {
    const Importance importance = parse_importance(fuzz::as_bytes(data, size), "fuzz");
    for (const auto& [name, entry] : importance.entries) {
      for (const float value : importance.of(name))
        fuzz::require(value >= 0 && std::isfinite(value), "no NaN, no infinity, no negative");
    }
  });
}
