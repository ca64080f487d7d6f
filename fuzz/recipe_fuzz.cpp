// A recipe, and the configuration of `limbeck train` (after a first byte 't').
#include "fuzz/file.h"
#include "fuzz/target.h"
#include "limbeck/distill/train_config.h"
#include "limbeck/pipeline/recipe.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace limbeck;
  if (size == 0) return 0;
  const fuzz::MemoryFile file(data + 1, size - 1);
  return fuzz::value_or_error([&] {
    if (data[0] == 't') {
      distill::read_train_config(file.path());
    } else {
      pipeline::read_recipe(file.path());
    }
  });
}
