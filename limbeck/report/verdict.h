// One sentence that says which model to use, and how sure that is.
#pragma once

#include "limbeck/base/json.h"

namespace limbeck::report {

// How much worse than the first model still counts as keeping its quality: 2 points of the metric.
inline constexpr double kMargin = 0.02;

// {"sentence", "confidence": "measured" | "within the noise" | "not measured", "model": name |
// null, "reasons": [..]} from the other keys of the results. A model keeps the first model's
// quality if the whole interval of the difference lies above -kMargin; is worse if it lies below
// zero; everything else is called undecided. "Matches" is only said of the first.
Json verdict(const Json& results);

}  // namespace limbeck::report
