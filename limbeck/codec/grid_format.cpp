#include "limbeck/codec/grid_format.h"

#include <cstring>

#include "limbeck/codec/levels.h"
#include "limbeck/codec/packing.h"

namespace limbeck {
namespace {

using enum TensorType;
using namespace codec;

template <typename Stored>
void unpack_bytes(const std::byte* bytes, UnpackedBlock& block) {
  Stored stored;
  std::memcpy(&stored, bytes, sizeof stored);  // mapped bytes may lie at any address
  unpack(stored, block);
}

template <typename Stored>
void pack_bytes(const UnpackedBlock& block, std::byte* bytes) {
  Stored stored;
  pack(block, stored);
  std::memcpy(bytes, &stored, sizeof stored);
}

struct Entry {
  GridFormat format;
  void (*unpack)(const std::byte*, UnpackedBlock&);
  void (*pack)(const UnpackedBlock&, std::byte*);
};

template <typename Stored>
constexpr Entry entry(int weights, int group, int codes, int zero, bool has_min, int scale_low,
                      int scale_high, int min_high, const std::int8_t* levels = nullptr) {
  return {{Stored::kType, weights, group, codes, zero, has_min, scale_low, scale_high, min_high,
           levels},
          unpack_bytes<Stored>,
          pack_bytes<Stored>};
}

constexpr Entry kEntries[] = {
    entry<BlockQ4_0>(32, 32, 16, 8, false, 1, 1, 0),
    entry<BlockQ4_1>(32, 32, 16, 0, true, 1, 1, 1),
    entry<BlockQ5_0>(32, 32, 32, 16, false, 1, 1, 0),
    entry<BlockQ5_1>(32, 32, 32, 0, true, 1, 1, 1),
    entry<BlockQ8_0>(32, 32, 256, 128, false, 1, 1, 0),
    entry<BlockQ2_K>(256, 16, 4, 0, true, 0, 15, 15),
    entry<BlockQ3_K>(256, 16, 8, 4, false, -32, 31, 0),
    entry<BlockQ4_K>(256, 32, 16, 0, true, 0, 63, 63),
    entry<BlockQ5_K>(256, 32, 32, 0, true, 0, 63, 63),
    entry<BlockQ6_K>(256, 16, 64, 32, false, -128, 127, 0),
    entry<BlockIq4Nl>(32, 32, 16, 0, false, 1, 1, 0, kLevelsIq4),
    entry<BlockIq4Xs>(256, 32, 16, 0, false, -32, 31, 0, kLevelsIq4),
    entry<BlockMxfp4>(32, 32, 16, 0, false, 1, 1, 0, kLevelsMxfp4),
};

const Entry* find_entry(TensorType type) noexcept {
  for (const Entry& entry : kEntries) {
    if (entry.format.type == type) return &entry;
  }
  return nullptr;
}

}  // namespace

const GridFormat* find_grid_format(TensorType type) noexcept {
  const Entry* found = find_entry(type);
  return found ? &found->format : nullptr;
}

void unpack_block(const GridFormat& format, const std::byte* bytes, UnpackedBlock& block) {
  find_entry(format.type)->unpack(bytes, block);
}

void pack_block(const GridFormat& format, const UnpackedBlock& block, std::byte* bytes) {
  find_entry(format.type)->pack(block, bytes);
}

void block_weights(const GridFormat& format, const UnpackedBlock& block, float* weights) {
  const auto size = static_cast<std::size_t>(format.group);
  const auto groups = static_cast<std::size_t>(format.groups());
  for (std::size_t j = 0; j < groups; ++j) {
    const float d = block.d * static_cast<float>(block.scales[j]);
    const float min = block.dmin * static_cast<float>(block.mins[j]);
    for (std::size_t i = j * size; i < (j + 1) * size; ++i) {
      const float value = d * static_cast<float>(format.level(block.codes[i]));
      weights[i] = format.has_min ? value - min : value;
    }
  }
}

}  // namespace limbeck
