#include "fuzz/target.h"
#include "limbeck/format/shard_index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  return fuzz::value_or_error([&] {
    const auto index = parse_shard_index(fuzz::as_text(data, size), "fuzz");
    for (const std::string& shard : index.shards) {
      fuzz::require(shard.find('/') == shard.npos && shard[0] != '.', "shards stay in the folder");
    }
  });
}
