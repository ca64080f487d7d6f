// What a training run refuses before it starts, and the hash by which it knows itself again.
#pragma once

#include <span>
#include <string>

#include "limbeck/distill/losses.h"
#include "limbeck/distill/parameters.h"

namespace limbeck::distill {

LossSpec loss_spec(const TrainOptions& options);

// Throw Error{usage} naming the field; rows by their number.
void check_options(const TrainOptions& options);
void check_rows(std::span<const TrainRow> rows, const Architecture& architecture,
                const LossSpec& spec, std::string_view what);

// Over everything that decides the result: options, rows, first weights (trained, frozen and the
// teacher's; undefined: none).
// Threads, files and checkpoint intervals do not.
std::string run_identity(const TrainOptions& options, std::span<const TrainRow> rows,
                         const Parameters& parameters, const at::Tensor& frozen_weights,
                         const at::Tensor& teacher_weights);

}  // namespace limbeck::distill
