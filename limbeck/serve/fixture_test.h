// The demo's teacher, loaded once for all tests of this program.
#pragma once

#include <filesystem>

#include "limbeck/runtime/model.h"
#include "limbeck/serve/engine.h"

namespace limbeck::serve {

struct Loaded {
  Checkpoint checkpoint =
      Checkpoint::open(std::filesystem::path(LIMBECK_SOURCE_DIR) / "examples/helpdesk/teacher");
  Model model{checkpoint};
  ThreadPool pool{1};
};

inline Loaded& loaded() {
  static Loaded one;
  return one;
}

}  // namespace limbeck::serve
