#include "fuzz/target.h"
#include "limbeck/model/hf_config.h"
#include "limbeck/model/packed_scheme.h"
#include "limbeck/model/rope.h"

// What is read is written back as the same, and has tensors and frequencies.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  return fuzz::value_or_error([&] {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const Json config = parse_json(text, "fuzz");
    packed_scheme(config, "fuzz");
    const Architecture a = from_hf_config(config, "fuzz");
    fuzz::require(parameter_count(a) > 0, "parameters");
    rope_table(a, 0);
    const Architecture again = from_hf_config(hf_config(a), "written");
    fuzz::require(again.hidden == a.hidden && again.rope_scaling == a.rope_scaling, "round trip");
  });
}
