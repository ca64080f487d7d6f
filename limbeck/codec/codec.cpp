#include "limbeck/codec/codec.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/f16.h"
#include "limbeck/codec/encode.h"
#include "limbeck/codec/group_search.h"
#include "limbeck/codec/scale_search.h"

namespace limbeck {
namespace {

using enum TensorType;
using Bytes = std::span<const std::byte>;

template <typename T>
T load(const std::byte* bytes) noexcept {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

template <typename Stored, float (*Read)(Stored)>
void decode_plain(Bytes bytes, std::span<float> weights) {
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = Read(load<Stored>(bytes.data() + i * sizeof(Stored)));
  }
}
void decode_halves(Bytes bytes, std::span<float> weights) {
  codec::group_search().from_halves(bytes.data(), weights.size(), weights.data());
}
template <typename Stored, Stored (*Write)(float)>
void encode_plain(std::span<const float> weights, const float*, std::byte* bytes) {
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const Stored stored = Write(weights[i]);
    std::memcpy(bytes + i * sizeof stored, &stored, sizeof stored);
  }
}

float same(float value) { return value; }
float from_double(double value) { return static_cast<float>(value); }
float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
// To nearest, ties to even; a NaN stays one.
std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(bits >> 16 | 64u);
  return static_cast<std::uint16_t>((bits + (0x7fffu + (bits >> 16 & 1u))) >> 16);
}

// Formats that grid_format.h describes.
template <TensorType Type>
void decode_grid(Bytes bytes, std::span<float> weights) {
  const GridFormat& format = *find_grid_format(Type);
  const std::size_t size = info(Type).block_bytes;
  UnpackedBlock block;
  for (std::size_t i = 0, at = 0; i < weights.size();
       i += static_cast<std::size_t>(format.weights), at += size) {
    unpack_block(format, bytes.data() + at, block);
    block_weights(format, block, weights.data() + i);
  }
}

template <typename Stored>
void decode_blocks(Bytes bytes, std::span<float> weights) {
  const std::size_t size = info(Stored::kType).block_weights;
  for (std::size_t i = 0; i < weights.size() / size; ++i) {
    codec::decode(load<Stored>(bytes.data() + i * sizeof(Stored)), weights.data() + i * size);
  }
}

void decode_mxfp4(Bytes bytes, std::span<float> weights) {
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(BlockMxfp4)) {
    if (bytes[at] == std::byte{255}) fail(ErrorKind::numeric, "an MXFP4 scale is not a number");
  }
  decode_grid<mxfp4>(bytes, weights);
}

template <typename Stored>
void encode_blocks(std::span<const float> weights, const float* importance, std::byte* bytes) {
  const std::size_t size = info(Stored::kType).block_weights;
  const float mean_square =
      importance ? codec::sum_of_squares(weights) / static_cast<float>(weights.size()) : 0.0f;
  for (std::size_t i = 0; i < weights.size() / size; ++i) {
    Stored stored;
    codec::encode(weights.data() + i * size, importance ? importance + i * size : nullptr,
                  mean_square, stored);
    std::memcpy(bytes + i * sizeof stored, &stored, sizeof stored);
  }
}

// `kOfRow`: whether importance is weighed by the mean square of the whole row.
template <typename Stored, bool kOfRow = true>
void encode_runs(std::span<const float> weights, const float* importance, std::byte* bytes) {
  constexpr std::size_t run = codec::kRun;
  const float mean_square =
      kOfRow && importance ? codec::sum_of_squares(weights) / static_cast<float>(weights.size())
                           : 0.0f;
  const std::size_t size = info(Stored::kType).block_weights, blocks = weights.size() / size;
  Stored stored[run];
  for (std::size_t i = 0; i < blocks; i += run) {
    const std::size_t n = std::min(run, blocks - i);
    codec::encode_run(weights.data() + i * size, importance ? importance + i * size : nullptr,
                      mean_square, n, stored);
    std::memcpy(bytes + i * sizeof(Stored), stored, n * sizeof(Stored));
  }
}

struct Codec {
  TensorType type;
  void (*decode)(Bytes bytes, std::span<float> weights);
  void (*encode)(std::span<const float> weights, const float* importance, std::byte* bytes);
};

constexpr Codec kCodecs[] = {
    {f32, decode_plain<float, same>, encode_plain<float, same>},
    {f16, decode_halves, encode_plain<std::uint16_t, float_to_f16>},
    {bf16, decode_plain<std::uint16_t, from_bf16>, encode_plain<std::uint16_t, to_bf16>},
    {f64, decode_plain<double, from_double>, nullptr},
    {q4_0, decode_grid<q4_0>, encode_runs<BlockQ4_0>},
    {q4_1, decode_grid<q4_1>, encode_runs<BlockQ4_1>},
    {q5_0, decode_grid<q5_0>, encode_runs<BlockQ5_0>},
    {q5_1, decode_grid<q5_1>, encode_runs<BlockQ5_1>},
    {q8_0, decode_grid<q8_0>, encode_runs<BlockQ8_0, false>},
    {q2_k, decode_grid<q2_k>, encode_blocks<BlockQ2_K>},
    {q3_k, decode_grid<q3_k>, encode_runs<BlockQ3_K, false>},
    {q4_k, decode_grid<q4_k>, encode_blocks<BlockQ4_K>},
    {q5_k, decode_grid<q5_k>, encode_blocks<BlockQ5_K>},
    {q6_k, decode_grid<q6_k>, encode_blocks<BlockQ6_K>},
    {iq4_nl, decode_grid<iq4_nl>, encode_runs<BlockIq4Nl, false>},
    {iq4_xs, decode_grid<iq4_xs>, encode_blocks<BlockIq4Xs>},
    {iq3_s, decode_blocks<BlockIq3S>, encode_blocks<BlockIq3S>},
    {iq3_xxs, decode_blocks<BlockIq3Xxs>, encode_blocks<BlockIq3Xxs>},
    {iq2_s, decode_blocks<BlockIq2S>, encode_blocks<BlockIq2S>},
    {iq2_xs, decode_blocks<BlockIq2Xs>, encode_blocks<BlockIq2Xs>},
    {iq2_xxs, decode_blocks<BlockIq2Xxs>, encode_blocks<BlockIq2Xxs>},
    {tq1_0, decode_blocks<BlockTq1_0>, encode_blocks<BlockTq1_0>},
    {tq2_0, decode_blocks<BlockTq2_0>, encode_blocks<BlockTq2_0>},
    {mxfp4, decode_mxfp4, encode_blocks<BlockMxfp4>},
};

const Codec* find_codec(TensorType type) noexcept {
  const auto* found = std::ranges::find(kCodecs, type, &Codec::type);
  return found == std::end(kCodecs) ? nullptr : found;
}

// Scales are binary16: weights over kSuspicious may not fit them (Q4_1 holds its min as one), over
// kHopeless their squares need not even fit a float. Sane weights are far below both.
constexpr float kSuspicious = 32768.0f, kHopeless = 1e6f;

void check_scales_fit(const Codec& codec, std::span<const float> weights,
                      std::span<const std::byte> bytes) {
  // The top bit of an exponent: of 2 and more. All rows but strange ones end here.
  std::uint32_t any = 0;
  for (const float weight : weights) any |= std::bit_cast<std::uint32_t>(weight);
  if ((any & 0x40000000u) == 0) return;
  // Magnitudes are in the order of their bits, NaN above all.
  std::int32_t bits = 0;
  for (const float weight : weights) {
    bits = std::max(bits, std::bit_cast<std::int32_t>(weight) & 0x7fffffff);
  }
  const auto largest = std::bit_cast<float>(bits);
  if (largest < kSuspicious) return;
  bool fits = largest < kHopeless;
  if (fits) {
    std::vector<float> decoded(weights.size());
    codec.decode(bytes, decoded);
    fits = std::ranges::all_of(decoded, [](float value) { return std::isfinite(value); });
  }
  if (!fits) {
    fail(ErrorKind::numeric, "weights up to {} are too large for the scales of {}", largest,
         info(codec.type).name);
  }
}

bool has_wide_range(TensorType type) noexcept {
  return type == f32 || type == bf16 || type == mxfp4;
}

void check_bytes(TensorType type, std::size_t bytes, std::size_t weights) {
  const std::size_t expected = row_bytes(type, static_cast<std::int64_t>(weights));
  if (bytes != expected) {
    fail(ErrorKind::format, "{} weights of {} are {} bytes, not {}", weights, info(type).name,
         expected, bytes);
  }
}

}  // namespace

bool can_decode(TensorType type) noexcept { return find_codec(type) != nullptr; }

bool can_encode(TensorType type) noexcept {
  const Codec* codec = find_codec(type);
  return codec && codec->encode;
}

void decode_row(TensorType type, std::span<const std::byte> bytes, std::span<float> weights) {
  const Codec* codec = find_codec(type);
  if (!codec) fail(ErrorKind::unsupported, "{} values are not weights", info(type).name);
  check_bytes(type, bytes.size(), weights.size());
  codec->decode(bytes, weights);
}

void encode_row(TensorType type, std::span<const float> weights, std::span<std::byte> bytes,
                std::span<const float> importance) {
  const Codec* codec = find_codec(type);
  if (!codec || !codec->encode) {
    fail(ErrorKind::unsupported, "weights cannot be rounded to {}", info(type).name);
  }
  check_bytes(type, bytes.size(), weights.size());
  if (!importance.empty() && importance.size() != weights.size()) {
    fail(ErrorKind::format, "a row of {} weights has {} importances", weights.size(),
         importance.size());
  }
  // Its scales reach as far as floats do, but no block of it says NaN of one weight.
  if (type == mxfp4 && !std::ranges::all_of(weights, [](float w) { return std::isfinite(w); })) {
    fail(ErrorKind::numeric, "a weight is not a finite number, and {} holds no other",
         info(type).name);
  }
  codec->encode(weights, importance.empty() ? nullptr : importance.data(), bytes.data());
  if (!has_wide_range(type)) check_scales_fit(*codec, weights, bytes);
}

}  // namespace limbeck
