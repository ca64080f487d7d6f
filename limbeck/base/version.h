// What this build calls itself, in --version and in the manifests of the files it writes.
#pragma once

#include <string_view>

namespace limbeck {

std::string_view version() noexcept;  // "0.1.0"

}  // namespace limbeck
