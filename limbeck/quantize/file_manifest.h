// The manifest's records of tensors as they go into the file itself, small: names and types stand
// in the file anyway. FILE.json beside it has them in full.
#pragma once

#include "limbeck/base/json.h"

namespace limbeck {

// `records`: [{name, type, error, method}] in the order of tensor_specs. Returns {"methods":
// [[method, how many tensors in a row], ...], "errors": [of three digits]} in that order.
Json compact_records(const Json& records);

}  // namespace limbeck
