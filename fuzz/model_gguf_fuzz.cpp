#include "fuzz/target.h"
#include "limbeck/model/gguf_keys.h"
#include "limbeck/model/rope.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  return fuzz::value_or_error([&] {
    const auto file = GgufReader::parse(fuzz::as_bytes(data, size), "fuzz");
    const Architecture a = from_gguf(file);
    fuzz::require(parameter_count(a) > 0, "parameters");
    rope_table(a, a.layers - 1);
    fuzz::require(!gguf_keys(a).empty(), "written again, or an error that says why not");
  });
}
