// Rounding one tensor, rows spread over threads, with its error measured on the bytes made.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "limbeck/base/thread_pool.h"
#include "limbeck/model/checkpoint.h"

namespace limbeck {

enum class OnNan { fail, zero };

// Rows [first, first + out.size() / columns) of a stored weight as floats. A NaN or infinity
// becomes zero under OnNan::zero. Throws Error{numeric} naming tensor, row and column otherwise.
void read_rows(const Weight& weight, std::string_view name, std::int64_t first,
               std::span<float> out, OnNan on_nan);

struct RoundedTensor {
  std::vector<std::byte> bytes;
  double squared_error = 0, squared_norm = 0;  // sums of (w - q)^2 and w^2

  double relative_error() const { return squared_norm > 0 ? squared_error / squared_norm : 0; }
};

// Each row by encode_row with `importance` [columns] or none. A weight that has `type` already is
// copied as it is. The same bytes for every number of threads.
RoundedTensor round_tensor(const Weight& weight, std::string_view name, TensorType type,
                           std::span<const float> importance, OnNan on_nan, ThreadPool& pool);

// A weight in `type` without rounding anew: the same type copied, or a type whose scales, minima
// and codes hold those of Q4_0 and Q5_0 (codec/lattice.h) or of the lattice on which f32, f16 and
// bf16 weights lie (codec/lattice_search.h). nullopt where that is not so.
// Throws Error{numeric} on weights that are no numbers.
std::optional<RoundedTensor> recode_exactly(const Weight& weight, std::string_view name,
                                            TensorType type, ThreadPool& pool);

// As a RoundedTensor: `bytes` rounded elsewhere, compared with the original.
void measure_error(const Weight& weight, std::string_view name, TensorType type, OnNan on_nan,
                   ThreadPool& pool, RoundedTensor& rounded);

}  // namespace limbeck
