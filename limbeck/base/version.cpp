#include "limbeck/base/version.h"

namespace limbeck {

std::string_view version() noexcept { return LIMBECK_VERSION; }

}  // namespace limbeck
