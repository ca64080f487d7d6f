#include "fuzz/target.h"
#include "limbeck/base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  return fuzz::value_or_error([&] {
    const Json json = parse_json(fuzz::as_text(data, size), "fuzz");
    fuzz::require(parse_json(to_text(json), "again") == json, "written JSON reads back equal");
    if (size > 64) parse_json(fuzz::as_text(data, size), "long", {.bytes = 64});
    fuzz::require(size <= 64, "a limit is kept");
  });
}
