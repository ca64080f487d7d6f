// The rotary part of config.json, in its old and new forms.
#pragma once

#include "limbeck/base/fields.h"
#include "limbeck/base/json.h"
#include "limbeck/model/architecture.h"

namespace limbeck {

// Sets rope_dim, rope_theta, rope_theta_local and rope_scaling. head_dim, context_length and
// positions are set already. Throws Error{format, unsupported} naming the field.
void read_hf_rope(Fields& fields, Architecture& architecture);

// rope_theta and rope_scaling, which all versions of transformers read.
void write_hf_rope(const Architecture& architecture, Json& config);

}  // namespace limbeck
