// The report's style sheet: one for light and dark, wide and narrow, screen and paper.
#pragma once

#include <string_view>

namespace limbeck::report {

std::string_view style_sheet() noexcept;

}  // namespace limbeck::report
