#include "limbeck/codec/scale_fields.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "limbeck/codec/blocks.h"

namespace limbeck {
namespace {

struct Entry {
  TensorType type;
  std::size_t count;
  std::array<std::size_t, 2> offsets;
};

template <typename Stored>
constexpr Entry entry(std::size_t scale) {
  return {Stored::kType, 1, {scale, 0}};
}
template <typename Stored>
constexpr Entry entry(std::size_t scale, std::size_t min) {
  return {Stored::kType, 2, {scale, min}};
}

constexpr Entry kEntries[] = {
    entry<BlockQ4_0>(offsetof(BlockQ4_0, d)),
    entry<BlockQ4_1>(offsetof(BlockQ4_1, d), offsetof(BlockQ4_1, m)),
    entry<BlockQ5_0>(offsetof(BlockQ5_0, d)),
    entry<BlockQ5_1>(offsetof(BlockQ5_1, d), offsetof(BlockQ5_1, m)),
    entry<BlockQ8_0>(offsetof(BlockQ8_0, d)),
    entry<BlockQ2_K>(offsetof(BlockQ2_K, d), offsetof(BlockQ2_K, dmin)),
    entry<BlockQ3_K>(offsetof(BlockQ3_K, d)),
    entry<BlockQ4_K>(offsetof(BlockQ4_K, d), offsetof(BlockQ4_K, dmin)),
    entry<BlockQ5_K>(offsetof(BlockQ5_K, d), offsetof(BlockQ5_K, dmin)),
    entry<BlockQ6_K>(offsetof(BlockQ6_K, d)),
    entry<BlockIq4Nl>(offsetof(BlockIq4Nl, d)),
    entry<BlockIq4Xs>(offsetof(BlockIq4Xs, d)),
    entry<BlockIq3S>(offsetof(BlockIq3S, d)),
    entry<BlockIq3Xxs>(offsetof(BlockIq3Xxs, d)),
    entry<BlockIq2S>(offsetof(BlockIq2S, d)),
    entry<BlockIq2Xs>(offsetof(BlockIq2Xs, d)),
    entry<BlockIq2Xxs>(offsetof(BlockIq2Xxs, d)),
    entry<BlockTq1_0>(offsetof(BlockTq1_0, d)),
    entry<BlockTq2_0>(offsetof(BlockTq2_0, d)),
};

}  // namespace

std::span<const std::size_t> scale_fields(TensorType type) noexcept {
  const auto* found = std::ranges::find(kEntries, type, &Entry::type);
  if (found == std::end(kEntries)) return {};
  return {found->offsets.data(), found->count};
}

}  // namespace limbeck
