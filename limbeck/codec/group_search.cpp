#include "limbeck/codec/group_search.h"

#include <cstdlib>
#include <cstring>
#include <iterator>

#include "limbeck/base/f16.h"
#include "limbeck/codec/blocks.h"

namespace limbeck::codec {
namespace {

void affine_fits(const float* x, const float* weights, std::size_t groups, std::size_t size,
                 int max_code, const AffineSteps& steps, Affine* fits,
                 std::uint8_t* codes) noexcept {
  for (std::size_t j = 0; j < groups; ++j) {
    const std::size_t at = j * size;
    fits[j] = affine_fit({x + at, size}, max_code, {weights + at, size}, steps, codes + at);
  }
}

void symmetric_scales(const float* x, const float* weights, std::size_t groups, std::size_t size,
                      int half, float* scales, std::uint8_t* codes) noexcept {
  for (std::size_t j = 0; j < groups; ++j) {
    const std::size_t at = j * size;
    const std::span<const float> of_group(weights ? weights + at : nullptr, weights ? size : 0);
    scales[j] = symmetric_scale({x + at, size}, half, of_group, codes + at);
  }
}

void descents(const float* x, std::size_t groups, std::size_t size, int half, float* scales,
              std::uint8_t* codes) noexcept {
  for (std::size_t j = 0; j < groups; ++j) {
    scales[j] = symmetric_scale_by_descent({x + j * size, size}, half, codes + j * size);
  }
}

void symmetric_by_extreme(const float* x, std::size_t groups, int half, float* scales,
                          std::uint8_t* codes) noexcept {
  for (std::size_t j = 0; j < groups; ++j) {
    scales[j] = plain_symmetric(x + j * kBlock, half, codes + j * kBlock);
  }
}

void affine_by_range(const float* x, std::size_t groups, int max_code, Affine* fits,
                     std::uint8_t* codes) noexcept {
  for (std::size_t j = 0; j < groups; ++j) {
    fits[j] = plain_affine(x + j * kBlock, max_code, codes + j * kBlock);
  }
}

void bytes_by_largest(const float* x, std::size_t groups, float* scales,
                      std::uint8_t* codes) noexcept {
  for (std::size_t j = 0; j < groups; ++j) {
    scales[j] = plain_bytes(x + j * kBlock, codes + j * kBlock);
  }
}

void level_scales(const float* x, const float* weights, std::size_t groups,
                  float* scales) noexcept {
  for (std::size_t j = 0; j < groups; ++j) {
    scales[j] = level_scale(x + j * kBlock, weights + j * kBlock);
  }
}

void level_codes(const float* x, const float* inverses, std::size_t groups,
                 std::uint8_t* codes) noexcept {
  for (std::size_t i = 0; i < groups * kBlock; ++i) {
    codes[i] = nearest_level(inverses[i / kBlock] * x[i]);
  }
}

void affine_codes(const float* x, std::size_t size, float d, float min, int zero, int top,
                  std::uint8_t* codes) noexcept {
  for (std::size_t i = 0; i < size; ++i) {
    codes[i] = static_cast<std::uint8_t>(clamp(nearest((x[i] + min) / d) + zero, 0, top));
  }
}

void weigh(const float* x, const float* importance, std::size_t n, float mean_square,
           float* weights) noexcept {
  importance_weights({x, n}, importance, mean_square, weights);
}

struct Supported {
  const GroupSearch* searches[3];
  std::size_t count = 0;

  Supported() {
#if defined(__x86_64__)
    if (kAvx512Search.cpu_has()) searches[count++] = &kAvx512Search;
    if (kAvx2Search.cpu_has()) searches[count++] = &kAvx2Search;
#endif
    searches[count++] = &kScalarSearch;
  }
};

// A name that this CPU lacks is refused where the kernels are chosen (kernel_table.cpp).
const GroupSearch& choose() {
  const char* wanted = std::getenv("LIMBECK_KERNELS");
  for (const GroupSearch* search : supported_searches()) {
    if (wanted && search->name == wanted) return *search;
  }
  return *supported_searches().front();
}

void to_halves(const float* x, std::size_t n, std::uint16_t* out) noexcept {
  for (std::size_t i = 0; i < n; ++i) out[i] = float_to_f16(x[i]);
}

void from_halves(const std::byte* x, std::size_t n, float* out) noexcept {
  for (std::size_t i = 0; i < n; ++i) {
    std::uint16_t half;
    std::memcpy(&half, x + i * sizeof half, sizeof half);
    out[i] = f16_to_float(half);
  }
}

}  // namespace

constinit const GroupSearch kScalarSearch{.name = "scalar",
                                          .cpu_has = []() noexcept { return true; },
                                          .affine_fits = affine_fits,
                                          .symmetric_scales = symmetric_scales,
                                          .descents = descents,
                                          .plain_symmetric = symmetric_by_extreme,
                                          .plain_affine = affine_by_range,
                                          .plain_bytes = bytes_by_largest,
                                          .level_scales = level_scales,
                                          .level_codes = level_codes,
                                          .affine_codes = affine_codes,
                                          .importance_weights = weigh,
                                          .halves = to_halves,
                                          .from_halves = from_halves};

std::span<const GroupSearch* const> supported_searches() {
  static const Supported supported;
  return {supported.searches, supported.count};
}

const GroupSearch& group_search() {
  static const GroupSearch& search = choose();
  return search;
}

}  // namespace limbeck::codec
