// The report as one HTML page: no script, no outside resource, strict Content-Security-Policy.
#pragma once

#include <string>

#include "limbeck/base/json.h"

namespace limbeck::report {

// `results` as results.h describes. Everything foreign in it is escaped.
std::string html_page(const Json& results);

}  // namespace limbeck::report
