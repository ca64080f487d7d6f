// config.json <-> Architecture.
#pragma once

#include <string_view>

#include "limbeck/base/json.h"
#include "limbeck/model/architecture.h"

namespace limbeck {

// Reads old (rope_theta, rope_scaling) and new (rope_parameters, layer_types) forms. `origin` names
// the file in errors. The result is checked. Throws Error{format} naming the field that is missing,
// of a wrong type or out of range; Error{unsupported} on an unknown family or option.
Architecture from_hf_config(const Json& config, std::string_view origin);

// The object that transformers reads back as the same model; no token ids, no dtype.
Json hf_config(const Architecture& architecture);

}  // namespace limbeck
