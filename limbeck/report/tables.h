// The comparison for a terminal and as Markdown: the seven dimensions, one model a column.
#pragma once

#include <string>
#include <vector>

#include "limbeck/base/json.h"

namespace limbeck::report {

// Rows of cells; the first row names the models, the first column the measures. A dimension's first
// row is
// {"What shrinks"} alone.
using Rows = std::vector<std::vector<std::string>>;
Rows dimension_rows(const Json& results);

std::string terminal_text(const Json& results, int columns);
std::string markdown(const Json& results);

}  // namespace limbeck::report
