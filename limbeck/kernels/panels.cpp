#include "limbeck/kernels/panels.h"

#include <algorithm>
#include <cstring>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

// One block of 32 weights of one row: its codes as panels hold them, and where its scales are.
struct RowBlock {
  std::uint8_t codes[32];
  std::uint8_t scales[4];  // by type: f16 d (and m), or the bytes of the block's groups
};

using Bytes = const std::uint8_t*;

void low_and_high_nibbles(Bytes qs, std::uint8_t* codes) {
  for (int j = 0; j < 16; ++j) {
    codes[j] = qs[j] & 15;
    codes[j + 16] = static_cast<std::uint8_t>(qs[j] >> 4);
  }
}

void add_fifth_bits(Bytes qh, std::uint8_t* codes) {
  for (int j = 0; j < 32; ++j) {
    codes[j] = static_cast<std::uint8_t>(codes[j] | (qh[j / 8] >> (j % 8) & 1) << 4);
  }
}

// Readers of the small types: the 32 weights at `p` are one block of the file.
void read_q4_0(Bytes p, std::size_t, RowBlock& out) {
  std::copy_n(p, 2, out.scales);
  low_and_high_nibbles(p + 2, out.codes);
}
void read_q4_1(Bytes p, std::size_t, RowBlock& out) {
  std::copy_n(p, 4, out.scales);
  low_and_high_nibbles(p + 4, out.codes);
}
void read_q5_0(Bytes p, std::size_t, RowBlock& out) {
  std::copy_n(p, 2, out.scales);
  low_and_high_nibbles(p + 6, out.codes);
  add_fifth_bits(p + 2, out.codes);
}
void read_q5_1(Bytes p, std::size_t, RowBlock& out) {
  std::copy_n(p, 4, out.scales);
  low_and_high_nibbles(p + 8, out.codes);
  add_fifth_bits(p + 4, out.codes);
}
void read_q8_0(Bytes p, std::size_t, RowBlock& out) {
  std::copy_n(p, 2, out.scales);
  for (int j = 0; j < 32; ++j) out.codes[j] = p[2 + j] ^ 0x80;  // signed -> offset 128
}

// Readers of the 256-weight types: block `b` (0..7) of the superblock at `p`.
std::uint8_t two_bits(Bytes qs, std::size_t b, std::size_t l) {
  return qs[b / 4 * 32 + l] >> (b % 4 * 2) & 3;
}
void read_q2_k(Bytes p, std::size_t b, RowBlock& out) {
  std::copy_n(p + 2 * b, 2, out.scales);
  for (std::size_t l = 0; l < 32; ++l) out.codes[l] = two_bits(p + 16, b, l);
}
void read_q3_k(Bytes p, std::size_t b, RowBlock& out) {
  const Bytes packed = p + 96;
  for (std::size_t g = 0; g < 2; ++g) {
    const std::size_t j = 2 * b + g;
    const int low = j < 8 ? packed[j] & 15 : packed[j - 8] >> 4;
    const int high = packed[8 + j % 4] >> (2 * (j / 4)) & 3;
    out.scales[g] = static_cast<std::uint8_t>((low | high << 4) - 32);
  }
  for (std::size_t l = 0; l < 32;
       ++l) {  // offset 4: the high bit is set where nothing is taken off
    out.codes[l] = static_cast<std::uint8_t>(two_bits(p + 32, b, l) | (p[l] >> b & 1) << 2);
  }
}
void scale_and_minimum(Bytes s, std::size_t j, std::uint8_t* out) {
  out[0] = static_cast<std::uint8_t>(j < 4 ? s[j] & 63 : (s[j + 4] & 15) | s[j - 4] >> 6 << 4);
  out[1] = static_cast<std::uint8_t>(j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | s[j] >> 6 << 4);
}
void nibbles_of_64(Bytes qs, std::size_t b, std::uint8_t* codes) {
  for (std::size_t l = 0; l < 32; ++l) codes[l] = qs[b / 2 * 32 + l] >> (b % 2 * 4) & 15;
}
void read_q4_k(Bytes p, std::size_t b, RowBlock& out) {
  scale_and_minimum(p + 4, b, out.scales);
  nibbles_of_64(p + 16, b, out.codes);
}
void read_q5_k(Bytes p, std::size_t b, RowBlock& out) {
  scale_and_minimum(p + 4, b, out.scales);
  nibbles_of_64(p + 48, b, out.codes);
  for (std::size_t l = 0; l < 32; ++l) {
    out.codes[l] = static_cast<std::uint8_t>(out.codes[l] | (p[16 + l] >> b & 1) << 4);
  }
}
void read_q6_k(Bytes p, std::size_t b, RowBlock& out) {
  const std::size_t half = b / 4, part = b % 4;
  const Bytes ql = p + 64 * half + part % 2 * 32, qh = p + 128 + 32 * half;
  for (std::size_t l = 0; l < 32; ++l) {
    const int low = ql[l] >> (part / 2 * 4) & 15, high = qh[l] >> (2 * part) & 3;
    out.codes[l] = static_cast<std::uint8_t>(low | high << 4);
  }
  std::copy_n(p + 192 + 8 * half + 2 * part, 2, out.scales);
}
void read_iq4_xs(Bytes p, std::size_t b, RowBlock& out) {
  const int high = (p[2] | p[3] << 8) >> (2 * b) & 3, low = p[4 + b / 2] >> (4 * (b % 2)) & 15;
  out.scales[0] = static_cast<std::uint8_t>((low | high << 4) - 32);
  low_and_high_nibbles(p + 8 + 16 * b, out.codes);
}

// How a type's rows become a panel. `code_bits` from the lowest field: 4, 2, 1 as panels.h says.
struct PanelType {
  PanelLayout layout;
  std::size_t code_bits;
  std::size_t scale_bytes;            // of RowBlock::scales
  bool wide_scales;                   // f16s (two bytes each) rather than single bytes
  std::size_t d_offset, dmin_offset;  // of the superblock's f16s; kNone: none
  void (*read)(Bytes, std::size_t, RowBlock&);
};

constexpr std::size_t kNone = ~std::size_t{0};
constexpr PanelType kTypes[] = {
    {{TensorType::q4_0, 0, 0, 256 + 32}, 4, 2, true, kNone, kNone, read_q4_0},
    {{TensorType::q4_1, 0, 0, 256 + 64}, 4, 4, true, kNone, kNone, read_q4_1},
    {{TensorType::q5_0, 0, 0, 320 + 32}, 5, 2, true, kNone, kNone, read_q5_0},
    {{TensorType::q5_1, 0, 0, 320 + 64}, 5, 4, true, kNone, kNone, read_q5_1},
    {{TensorType::q8_0, 0, 0, 512 + 32}, 8, 2, true, kNone, kNone, read_q8_0},
    {{TensorType::q2_k, 8, 64, 128 + 32, true}, 2, 2, false, 80, 82, read_q2_k},
    {{TensorType::q3_k, 8, 32, 192 + 32, true}, 3, 2, false, 108, kNone, read_q3_k},
    {{TensorType::q4_k, 8, 64, 256 + 32}, 4, 2, false, 0, 2, read_q4_k},
    {{TensorType::q5_k, 8, 64, 320 + 32}, 5, 2, false, 0, 2, read_q5_k},
    {{TensorType::q6_k, 8, 32, 384 + 32, true}, 6, 2, false, 208, kNone, read_q6_k},
    {{TensorType::iq4_nl, 0, 0, 256 + 32}, 4, 2, true, kNone, kNone, read_q4_0},
    {{TensorType::iq4_xs, 8, 32, 256 + 16}, 4, 1, false, 0, kNone, read_iq4_xs},
    {{TensorType::bf16, 0, 0, 1024}, 16, 0, false, kNone, kNone, nullptr},
};

// Row `r`'s codes into the block's fields, a word of four codes at a time.
void place_codes(const RowBlock& from, std::size_t bits, std::size_t r, std::uint8_t* block) {
  std::uint32_t words[8];
  std::memcpy(words, from.codes, sizeof(words));
  const auto put = [&](std::size_t offset, std::uint32_t word) {
    std::memcpy(block + offset + 4 * r, &word, 4);
  };
  // Fields of `width` bits from `shift` of the codes in words [first, first + n), side by side.
  const auto fields = [&](std::size_t first, std::size_t n, std::size_t shift, std::size_t width) {
    const std::uint32_t mask = 0x01010101u * ((1u << width) - 1);
    std::uint32_t all = 0;
    for (std::size_t i = 0; i < n; ++i) all |= (words[first + i] >> shift & mask) << (width * i);
    return all;
  };
  if (bits == 8) {
    for (std::size_t j = 0; j < 8; ++j) put(64 * j, words[j]);
  } else if (bits >= 4) {
    constexpr std::uint32_t kLow = 0x0f0f0f0fu;
    for (std::size_t j = 0; j < 4; ++j) put(64 * j, (words[j] & kLow) | (words[j + 4] & kLow) << 4);
  } else {
    for (std::size_t half = 0; half < 2; ++half) put(64 * half, fields(4 * half, 4, 0, 2));
  }
  if (bits == 6) {
    for (std::size_t half = 0; half < 2; ++half) put(256 + 64 * half, fields(4 * half, 4, 4, 2));
  }
  if (bits == 5) put(256, fields(0, 8, 4, 1));
  if (bits == 3) put(128, fields(0, 8, 2, 1));
}

void place_scales(const RowBlock& from, const PanelType& type, std::size_t r, std::uint8_t* to) {
  const std::size_t width = type.wide_scales ? 2 : 1;
  for (std::size_t i = 0; i < type.scale_bytes; i += width) {
    std::memcpy(to + 16 * i + width * r, from.scales + i, width);
  }
}

void pack_bf16(Bytes rows, std::size_t n_rows, std::size_t columns, std::span<std::uint8_t> panel) {
  for (std::size_t r = 0; r < n_rows; ++r) {
    const Bytes row = rows + r * columns * 2;
    for (std::size_t c = 0; c < columns; c += 2)
      std::memcpy(panel.data() + 32 * c + 4 * r, row + 2 * c, c + 1 < columns ? 4 : 2);
  }
}

}  // namespace

const PanelLayout* panel_layout(TensorType type) noexcept {
  const auto found =
      std::ranges::find(kTypes, type, [](const PanelType& t) { return t.layout.type; });
  return found == std::end(kTypes) ? nullptr : &found->layout;
}

std::size_t panel_bytes(const PanelLayout& layout, std::size_t columns) noexcept {
  const std::size_t blocks = (columns + kBlockColumns - 1) / kBlockColumns;
  const std::size_t headers = layout.blocks_per_header ? blocks / layout.blocks_per_header : 0;
  return blocks * layout.block_bytes + headers * layout.header_bytes;
}

void pack_panel(const PanelLayout& layout, std::span<const std::byte> rows, std::size_t n_rows,
                std::size_t columns, std::span<std::uint8_t> panel) {
  const PanelType& type =
      *std::ranges::find(kTypes, layout.type, [](const PanelType& t) { return t.layout.type; });
  LIMBECK_ASSERT(n_rows <= kPanelRows && panel.size() == panel_bytes(layout, columns));
  if (n_rows < kPanelRows || columns % kBlockColumns != 0)
    std::ranges::fill(panel, std::uint8_t{0});
  if (layout.type == TensorType::bf16)
    return pack_bf16(reinterpret_cast<Bytes>(rows.data()), n_rows, columns, panel);
  const TensorTypeInfo& stored = info(layout.type);
  const std::size_t per_block = stored.block_weights / kBlockColumns;  // 1 or 8
  const std::size_t row_size = rows.size() / n_rows;
  const Bytes data = reinterpret_cast<Bytes>(rows.data());
  const std::size_t codes_bytes = layout.block_bytes - 16 * type.scale_bytes;
  std::uint8_t* to = panel.data();
  RowBlock block;
  for (std::size_t b = 0; b < columns / kBlockColumns; ++b) {
    const std::size_t in_block = b % per_block;
    const Bytes first = data + b / per_block * stored.block_bytes;
    if (layout.blocks_per_header && in_block == 0) {
      for (std::size_t r = 0; r < n_rows; ++r) {
        std::memcpy(to + 2 * r, first + r * row_size + type.d_offset, 2);
        if (type.dmin_offset != kNone)
          std::memcpy(to + 32 + 2 * r, first + r * row_size + type.dmin_offset, 2);
      }
      to += layout.header_bytes;
    }
    for (std::size_t r = 0; r < n_rows; ++r) {
      type.read(first + r * row_size, in_block, block);
      place_codes(block, type.code_bits, r, to);
      place_scales(block, type, r, to + codes_bytes);
    }
    to += layout.block_bytes;
  }
}

}  // namespace limbeck
