#include "limbeck/base/error.h"

#include <cstddef>

namespace limbeck {
namespace {

struct KindRow {
  std::string_view name;
  int exit_code;
};

constexpr KindRow kKinds[] = {
    {"usage", 2},   {"format", 3}, {"unsupported", 3}, {"numeric", 3},
    {"quality", 4}, {"io", 5},     {"network", 6},     {"interrupted", 7},
};

}  // namespace

std::string_view name(ErrorKind kind) noexcept {
  return kKinds[static_cast<std::size_t>(kind)].name;
}
int exit_code(ErrorKind kind) noexcept { return kKinds[static_cast<std::size_t>(kind)].exit_code; }

}  // namespace limbeck
