#include "limbeck/codec/table_format.h"

#include <cstring>

#include "limbeck/codec/grids.h"
#include "limbeck/codec/packing.h"

namespace limbeck {
namespace {

constexpr std::uint8_t kLevelsIq2[] = {8, 25, 43};
constexpr std::uint8_t kLevelsIq3Xxs[] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr std::uint8_t kLevelsIq3S[] = {1, 3, 5, 7, 9, 11, 13, 15};

template <typename Stored>
void unpack_bytes(const std::byte* bytes, TableBlock& block) {
  Stored stored;
  std::memcpy(&stored, bytes, sizeof stored);  // mapped bytes may lie at any address
  codec::unpack(stored, block);
}

template <typename Stored>
void pack_bytes(const TableBlock& block, std::byte* bytes) {
  Stored stored;
  codec::pack(block, stored);
  std::memcpy(bytes, &stored, sizeof stored);
}

struct Entry {
  TableFormat format;
  void (*unpack)(const std::byte*, TableBlock&);
  void (*pack)(const TableBlock&, std::byte*);
};

template <typename Stored, std::size_t Dims, std::size_t Entries>
Entry entry(const GridTable<Dims, Entries>& table, std::span<const std::uint8_t> levels,
            std::size_t scale_group, float unit, bool even_signs) {
  return {{Stored::kType,
           Dims,
           scale_group,
           unit,
           even_signs,
           {table[0].data(), Dims * Entries},
           levels},
          unpack_bytes<Stored>,
          pack_bytes<Stored>};
}

const Entry* find_entry(TensorType type) noexcept {
  static const Entry entries[] = {
      entry<BlockIq2Xxs>(kGridIq2Xxs, kLevelsIq2, 32, 0.125f, true),
      entry<BlockIq2Xs>(kGridIq2Xs, kLevelsIq2, 16, 0.125f, true),
      entry<BlockIq2S>(kGridIq2S, kLevelsIq2, 16, 0.125f, false),
      entry<BlockIq3Xxs>(kGridIq3Xxs, kLevelsIq3Xxs, 32, 0.25f, true),
      entry<BlockIq3S>(kGridIq3S, kLevelsIq3S, 32, 1.0f, false),
  };
  for (const Entry& entry : entries) {
    if (entry.format.type == type) return &entry;
  }
  return nullptr;
}

}  // namespace

const TableFormat* find_table_format(TensorType type) noexcept {
  const Entry* found = find_entry(type);
  return found ? &found->format : nullptr;
}

void unpack_block(const TableFormat& format, const std::byte* bytes, TableBlock& block) {
  find_entry(format.type)->unpack(bytes, block);
}

void pack_block(const TableFormat& format, const TableBlock& block, std::byte* bytes) {
  find_entry(format.type)->pack(block, bytes);
}

void block_weights(const TableFormat& format, const TableBlock& block, float* weights) {
  for (std::size_t i = 0; i < 256; ++i) {
    const float step = format.step(block.d, block.scales[i / format.scale_group]);
    const std::size_t entry = block.entries[i / format.dims];
    const auto value =
        step * static_cast<float>(format.entries[entry * format.dims + i % format.dims]);
    weights[i] = block.signs[i / 8] >> i % 8 & 1 ? -value : value;
  }
}

}  // namespace limbeck
