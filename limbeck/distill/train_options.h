// Training options to and from configuration. Sees no libtorch.
#pragma once

#include <string_view>

#include "limbeck/base/fields.h"
#include "limbeck/base/json.h"
#include "limbeck/distill/trainer.h"

namespace limbeck::distill {

std::string_view name(Loss loss) noexcept;                       // "forward_kl", "jsd", ...
Loss parse_loss(std::string_view name, std::string_view where);  // throws Error{usage}

// The options that `fields` names, each under its own name; `defaults` for the others.
// Throws Error{usage} on a wrong type or range.
TrainOptions read_train_options(Fields& fields, TrainOptions defaults = {});

// Everything that decides the result, for records and keys (not threads, files and folders).
Json to_json(const TrainOptions& options);

}  // namespace limbeck::distill
