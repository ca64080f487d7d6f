// The searches of scale_search.h over many groups at once, one group a lane: each lane does the
// reference's operations in the reference's order, so every table gives the same codes and scales.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "limbeck/codec/scale_search.h"

namespace limbeck::codec {

// Groups lie one after another: x [groups * size], codes [groups * size]; size <= 32.
struct GroupSearch {
  std::string_view name;
  bool (*cpu_has)() noexcept;

  // affine_fit of each group; fits [groups].
  void (*affine_fits)(const float* x, const float* weights, std::size_t groups, std::size_t size,
                      int max_code, const AffineSteps& steps, Affine* fits,
                      std::uint8_t* codes) noexcept;
  // symmetric_scale of each group; `weights` may be null; scales [groups].
  void (*symmetric_scales)(const float* x, const float* weights, std::size_t groups,
                           std::size_t size, int half, float* scales, std::uint8_t* codes) noexcept;
  // symmetric_scale_by_descent of each group.
  void (*descents)(const float* x, std::size_t groups, std::size_t size, int half, float* scales,
                   std::uint8_t* codes) noexcept;
  // plain_symmetric, plain_affine and plain_bytes of each group of 32.
  void (*plain_symmetric)(const float* x, std::size_t groups, int half, float* scales,
                          std::uint8_t* codes) noexcept;
  void (*plain_affine)(const float* x, std::size_t groups, int max_code, Affine* fits,
                       std::uint8_t* codes) noexcept;
  void (*plain_bytes)(const float* x, std::size_t groups, float* scales,
                      std::uint8_t* codes) noexcept;
  // level_scale of each group of 32 (IQ4).
  void (*level_scales)(const float* x, const float* weights, std::size_t groups,
                       float* scales) noexcept;
  // level_codes of each group of 32; inverses [groups].
  void (*level_codes)(const float* x, const float* inverses, std::size_t groups,
                      std::uint8_t* codes) noexcept;
  // codes[i] = clamp(nearest((x[i] + min) / d) + zero, 0, top); size is a multiple of 16.
  void (*affine_codes)(const float* x, std::size_t size, float d, float min, int zero, int top,
                       std::uint8_t* codes) noexcept;
  // importance_weights and sum_of_squares of scale_search.h.
  void (*importance_weights)(const float* x, const float* importance, std::size_t n,
                             float mean_square, float* weights) noexcept;
  // float_to_f16 of each number that is one.
  void (*halves)(const float* x, std::size_t n, std::uint16_t* out) noexcept;
  // f16_to_float of each; a NaN may come out with another payload. `x` need not be aligned.
  void (*from_halves)(const std::byte* x, std::size_t n, float* out) noexcept;
};

extern const GroupSearch kScalarSearch;
#if defined(__x86_64__)
extern const GroupSearch kAvx2Search, kAvx512Search;
#endif

// Those this CPU has, fastest first, scalar last.
std::span<const GroupSearch* const> supported_searches();
// The fastest, or the one that LIMBECK_KERNELS names; chosen once.
const GroupSearch& group_search();

}  // namespace limbeck::codec
