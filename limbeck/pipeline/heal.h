// Healing by the trainer, as quantize_model calls it: distill and quantize meet here.
#pragma once

#include "limbeck/distill/heal.h"
#include "limbeck/quantize/healing.h"

namespace limbeck::pipeline {

// Throws Error{unsupported} at once where no trainer is built in.
Healer healer(const distill::HealOptions& options);

}  // namespace limbeck::pipeline
