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

// "-1.2 (-2.0..-0.4)", in points, or "+0.3 (-0.2..+0.8) noise" where the interval includes zero.
std::string marked_difference(const Json& value);

// What the manifest says the making of a model took: "12,000 tokens, 3m 02s", "65,536 calibration
// tokens", "none", or "not told" of an endpoint.
std::string training_text(const Json& model);
// The same in words: the kind of training, and how it was quantized. Empty if nothing is known.
std::string making_text(const Json& model);

std::string terminal_text(const Json& results, int columns);
std::string markdown(const Json& results);

}  // namespace limbeck::report
