// Matrices re-laid for wide loops: panels of 16 rows, blocks of 32 columns, so that one
// vector holds the same columns of sixteen rows and no sum crosses lanes. Lossless: the codes and
// scales of the file, or its bf16, in another order.
//
// A panel is a row of blocks; every `blocks_per_header` blocks a header precedes. Codes are
// unsigned. Byte 4r + c of code vector j (0..7) is row r, column 4j + c of the block.
//   4 bits: 4 x 64 bytes, low nibbles vectors 0..3, high nibbles 4..7
//   2 bits: 2 x 64 bytes, fields of two bits from the lowest: vectors 0..3, then 4..7
//   1 bit:  64 bytes, bit j is vector j
//   bf16: 16 x 64 bytes, vector j (0..15) columns 2j and 2j + 1; a last, partial block ends in
//   zeros
// Codes of 5, 6 and 3 bits are 4 + 1, 4 + 2 and 2 + 1 bits in this order. Scales follow the codes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "limbeck/base/tensor_type.h"

namespace limbeck {

inline constexpr std::size_t kPanelRows = 16;
inline constexpr std::size_t kBlockColumns = 32;

struct PanelLayout {
  TensorType type;
  std::size_t blocks_per_header;  // 0: no header
  std::size_t header_bytes;       // sixteen f16 d, then sixteen f16 dmin where the type has one
  std::size_t block_bytes;
  bool two_scales = false;  // of a block: sixteen columns each
};

// nullptr if the type has no panel form.
const PanelLayout* panel_layout(TensorType type) noexcept;

// Bytes of one panel of `columns` weights.
std::size_t panel_bytes(const PanelLayout& layout, std::size_t columns) noexcept;

// Re-lays `n_rows` (1..16) consecutive rows into one panel; missing rows become zero.
// rows.size() == n_rows * row_bytes(type, columns), panel.size() == panel_bytes(columns).
void pack_panel(const PanelLayout& layout, std::span<const std::byte> rows, std::size_t n_rows,
                std::size_t columns, std::span<std::uint8_t> panel);

// Rows of activations, 256 columns of them, in the order in which the products of many rows take
// them. A table's tile has `R` rows; the word of four codes that holds columns 4j.. of a row is
// where that table wants it, and so are the codes.
inline constexpr std::size_t kTileRows = 6, kTileBlocks = 8;
template <std::size_t R>
struct alignas(64) CodeTile {
  static constexpr std::size_t kRows = R;
  std::uint8_t codes[kTileBlocks][8 * R][4];
  float scales[kTileBlocks][R];
  float sums[kTileBlocks][3][R];  // of the block's codes, of its first and its second half
};
// What tiles of any table are allocated in: each row takes six lines, whatever the tile's rows.
struct alignas(64) TileLine {
  std::byte bytes[64];
};
inline constexpr std::size_t kLinesOfRow = 6, kMostTileRows = 16;
static_assert(sizeof(CodeTile<kTileRows>) == kTileRows * kLinesOfRow * sizeof(TileLine));
static_assert(sizeof(CodeTile<kMostTileRows>) == kMostTileRows * kLinesOfRow * sizeof(TileLine));
// Lines for the tiles of `n` rows, for every table.
inline constexpr std::size_t tile_lines(std::size_t n, std::size_t columns) noexcept {
  return (columns + 255) / 256 * (n + kMostTileRows - 1) * kLinesOfRow;
}

// Six rows rounded to bf16, as the table that packed them wants them.
struct alignas(64) RoundedTile {
  float words[kTileBlocks * kBlockColumns][kTileRows];
};

struct PanelMatrix {
  TensorType type = TensorType::q8_0;
  std::size_t rows = 0, columns = 0, panel_bytes = 0;
  const std::uint8_t* data = nullptr;
};

}  // namespace limbeck
