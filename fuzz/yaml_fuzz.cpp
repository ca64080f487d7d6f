#include "fuzz/target.h"
#include "limbeck/base/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  return fuzz::value_or_error([&] {
    const Json json = parse_yaml(fuzz::as_text(data, size), "fuzz");
    fuzz::require(parse_yaml(to_yaml(json), "again") == json, "written YAML reads back equal");
  });
}
