// Rounding to Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0.
#include "limbeck/codec/encode.h"
#include "limbeck/codec/group_search.h"

namespace limbeck::codec {
namespace {

template <typename Stored>
void symmetric(const float* x, const float* importance, float mean_square, std::size_t n, int half,
               Stored* stored) {
  float weights[kRun * kBlock], scales[kRun];
  std::uint8_t codes[kRun * kBlock];
  if (importance) {
    const GroupSearch& search = group_search();
    search.importance_weights(x, importance, n * kBlock, mean_square, weights);
    search.symmetric_scales(x, weights, n, kBlock, half, scales, codes);
  } else {
    group_search().plain_symmetric(x, n, half, scales, codes);
  }
  store_run(n, scales, codes, stored);
}

template <typename Stored>
void affine(const float* x, const float* importance, float mean_square, std::size_t n, int max_code,
            Stored* stored) {
  float weights[kRun * kBlock];
  std::uint8_t codes[kRun * kBlock];
  Affine fits[kRun];
  Half halves[2 * kRun];
  if (importance) {
    const GroupSearch& search = group_search();
    search.importance_weights(x, importance, n * kBlock, mean_square, weights);
    search.affine_fits(x, weights, n, kBlock, max_code, {-0.9f, 0.05f, 36}, fits, codes);
  } else {
    group_search().plain_affine(x, n, max_code, fits, codes);
  }
  for (std::size_t j = 0; j < n; ++j) fits[j].min = -fits[j].min;  // stored as what is added
  static_assert(sizeof fits == 2 * kRun * sizeof(float));
  group_search().halves(&fits[0].scale, 2 * n, halves);
  for (std::size_t j = 0; j < n; ++j) {
    stored[j].d = halves[2 * j];
    stored[j].m = halves[2 * j + 1];
    store_codes(codes + j * kBlock, stored[j]);
  }
}

}  // namespace

void encode_run(const float* x, const float* importance, float mean_square, std::size_t n,
                BlockQ4_0* stored) {
  symmetric(x, importance, mean_square, n, 8, stored);
}
void encode_run(const float* x, const float* importance, float mean_square, std::size_t n,
                BlockQ5_0* stored) {
  symmetric(x, importance, mean_square, n, 16, stored);
}
void encode_run(const float* x, const float* importance, float mean_square, std::size_t n,
                BlockQ4_1* stored) {
  affine(x, importance, mean_square, n, 15, stored);
}
void encode_run(const float* x, const float* importance, float mean_square, std::size_t n,
                BlockQ5_1* stored) {
  affine(x, importance, mean_square, n, 31, stored);
}

void encode_run(const float* x, const float*, float, std::size_t n, BlockQ8_0* stored) {
  float scales[kRun];
  std::uint8_t codes[kRun * kBlock];
  group_search().plain_bytes(x, n, scales, codes);
  store_run(n, scales, codes, stored);
}

}  // namespace limbeck::codec
