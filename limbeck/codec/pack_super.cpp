// Packing of the formats with 256 weights a block.
#include <cstring>

#include "limbeck/base/f16.h"
#include "limbeck/codec/packed_scales.h"
#include "limbeck/codec/packing.h"

namespace limbeck::codec {
namespace {

std::uint8_t byte(int value) noexcept { return static_cast<std::uint8_t>(value); }

// Codes lie in pieces of 32 whose bits have one place in 32 bytes; loops over such pieces become
// vector instructions.
constexpr std::size_t kPiece = 32;

// Two bits a weight: 32 bytes for each 128.
void unpack_pairs(const std::uint8_t* bytes, UnpackedBlock& block) {
  for (std::size_t piece = 0; piece < kSuperBlock / kPiece; ++piece) {
    const std::uint8_t* from = bytes + piece / 4 * kPiece;
    for (std::size_t l = 0; l < kPiece; ++l) {
      block.codes[piece * kPiece + l] = from[l] >> piece % 4 * 2 & 3;
    }
  }
}

// `(codes >> shift) & 3`.
void pack_pairs(const UnpackedBlock& block, int shift, std::uint8_t* bytes) {
  for (std::size_t half = 0; half < 2; ++half) {
    const std::uint8_t* codes = block.codes.data() + half * 4 * kPiece;
    const auto pair = [&](std::size_t i) { return codes[i] >> shift & 3; };
    for (std::size_t l = 0; l < kPiece; ++l) {
      bytes[half * kPiece + l] = byte(pair(l) | pair(l + kPiece) << 2 | pair(l + 2 * kPiece) << 4 |
                                      pair(l + 3 * kPiece) << 6);
    }
  }
}

// Adds a bit a weight to the codes, at `place`: 32 bytes for 256.
void unpack_bits(const std::uint8_t* bytes, int place, UnpackedBlock& block) {
  for (std::size_t piece = 0; piece < kSuperBlock / kPiece; ++piece) {
    std::uint8_t* codes = block.codes.data() + piece * kPiece;
    for (std::size_t l = 0; l < kPiece; ++l) {
      codes[l] = byte(codes[l] | (bytes[l] >> piece & 1) << place);
    }
  }
}

void pack_bits(const UnpackedBlock& block, int place, std::uint8_t* bytes) {
  std::memset(bytes, 0, kPiece);
  for (std::size_t piece = 0; piece < kSuperBlock / kPiece; ++piece) {
    const std::uint8_t* codes = block.codes.data() + piece * kPiece;
    for (std::size_t l = 0; l < kPiece; ++l) {
      bytes[l] = byte(bytes[l] | (codes[l] >> place & 1) << piece);
    }
  }
}

// Four bits a weight: 32 bytes for each 64.
void unpack_nibbles(const std::uint8_t* bytes, UnpackedBlock& block) {
  for (std::size_t piece = 0; piece < kSuperBlock / kPiece; ++piece) {
    const std::uint8_t* from = bytes + piece / 2 * kPiece;
    for (std::size_t l = 0; l < kPiece; ++l) {
      block.codes[piece * kPiece + l] = from[l] >> piece % 2 * 4 & 15;
    }
  }
}

void pack_nibbles(const UnpackedBlock& block, std::uint8_t* bytes) {
  for (std::size_t pair = 0; pair < kSuperBlock / (2 * kPiece); ++pair) {
    const std::uint8_t* codes = block.codes.data() + pair * 2 * kPiece;
    for (std::size_t l = 0; l < kPiece; ++l) {
      bytes[pair * kPiece + l] = byte((codes[l] & 15) | (codes[l + kPiece] & 15) << 4);
    }
  }
}

template <typename Stored>
void unpack_six_bit_scales(const Stored& stored, UnpackedBlock& block) {
  block.d = f16_to_float(stored.d);
  block.dmin = f16_to_float(stored.dmin);
  for (std::size_t j = 0; j < 8; ++j) {
    block.scales[j] = packed_scale(stored.scales, j);
    block.mins[j] = packed_min(stored.scales, j);
  }
}

template <typename Stored>
void pack_six_bit_scales(const UnpackedBlock& block, Stored& stored) {
  stored.d = float_to_f16(block.d);
  stored.dmin = float_to_f16(block.dmin);
  for (std::size_t j = 0; j < 8; ++j) {
    store_packed(stored.scales, j, block.scales[j], block.mins[j]);
  }
}

}  // namespace

void unpack(const BlockQ2_K& stored, UnpackedBlock& block) {
  block.d = f16_to_float(stored.d);
  block.dmin = f16_to_float(stored.dmin);
  for (std::size_t j = 0; j < 16; ++j) {
    block.scales[j] = stored.scales[j] & 15;
    block.mins[j] = stored.scales[j] >> 4;
  }
  unpack_pairs(stored.codes, block);
}
void pack(const UnpackedBlock& block, BlockQ2_K& stored) {
  stored.d = float_to_f16(block.d);
  stored.dmin = float_to_f16(block.dmin);
  for (std::size_t j = 0; j < 16; ++j) {
    stored.scales[j] = byte(block.scales[j] | block.mins[j] << 4);
  }
  pack_pairs(block, 0, stored.codes);
}

void unpack(const BlockQ3_K& stored, UnpackedBlock& block) {
  block.d = f16_to_float(stored.d);
  block.dmin = 0;
  for (std::size_t j = 0; j < 16; ++j) {
    const int low = j < 8 ? stored.scales[j] & 15 : stored.scales[j - 8] >> 4;
    const int high = stored.scales[8 + j % 4] >> j / 4 * 2 & 3;
    block.scales[j] = static_cast<std::int16_t>((low | high << 4) - 32);
    block.mins[j] = 0;
  }
  unpack_pairs(stored.codes, block);
  unpack_bits(stored.high, 2, block);
}
void pack(const UnpackedBlock& block, BlockQ3_K& stored) {
  stored.d = float_to_f16(block.d);
  std::memset(stored.scales, 0, sizeof stored.scales);
  for (std::size_t j = 0; j < 16; ++j) {
    const int scale = block.scales[j] + 32;
    std::uint8_t &low = stored.scales[j % 8], &high = stored.scales[8 + j % 4];
    low = byte(low | (scale & 15) << (j < 8 ? 0 : 4));
    high = byte(high | scale >> 4 << j / 4 * 2);
  }
  pack_pairs(block, 0, stored.codes);
  pack_bits(block, 2, stored.high);
}

void unpack(const BlockQ4_K& stored, UnpackedBlock& block) {
  unpack_six_bit_scales(stored, block);
  unpack_nibbles(stored.codes, block);
}
void pack(const UnpackedBlock& block, BlockQ4_K& stored) {
  pack_six_bit_scales(block, stored);
  pack_nibbles(block, stored.codes);
}

void unpack(const BlockQ5_K& stored, UnpackedBlock& block) {
  unpack_six_bit_scales(stored, block);
  unpack_nibbles(stored.codes, block);
  unpack_bits(stored.high, 4, block);
}
void pack(const UnpackedBlock& block, BlockQ5_K& stored) {
  pack_six_bit_scales(block, stored);
  pack_nibbles(block, stored.codes);
  pack_bits(block, 4, stored.high);
}

void unpack(const BlockQ6_K& stored, UnpackedBlock& block) {
  block.d = f16_to_float(stored.d);
  block.dmin = 0;
  for (std::size_t j = 0; j < 16; ++j) {
    block.scales[j] = stored.scales[j];
    block.mins[j] = 0;
  }
  for (std::size_t piece = 0; piece < kSuperBlock / kPiece; ++piece) {
    const std::size_t half = piece / 4, quarter = piece % 4;
    const std::uint8_t* low = stored.low + (2 * half + quarter % 2) * kPiece;
    const std::uint8_t* high = stored.high + half * kPiece;
    for (std::size_t l = 0; l < kPiece; ++l) {
      block.codes[piece * kPiece + l] =
          byte((low[l] >> quarter / 2 * 4 & 15) | (high[l] >> quarter * 2 & 3) << 4);
    }
  }
}
void pack(const UnpackedBlock& block, BlockQ6_K& stored) {
  stored.d = float_to_f16(block.d);
  for (std::size_t j = 0; j < 16; ++j) {
    stored.scales[j] = static_cast<std::int8_t>(block.scales[j]);
  }
  for (std::size_t i = 0; i < 4; ++i) {  // a half's quarters 0 and 2, 1 and 3 share their bytes
    const std::uint8_t* codes = block.codes.data() + (i / 2 * 4 + i % 2) * kPiece;
    for (std::size_t l = 0; l < kPiece; ++l) {
      stored.low[i * kPiece + l] = byte((codes[l] & 15) | (codes[l + 2 * kPiece] & 15) << 4);
    }
  }
  pack_pairs(block, 4, stored.high);
}

void unpack(const BlockIq4Xs& stored, UnpackedBlock& block) {
  block.d = f16_to_float(stored.d);
  block.dmin = 0;
  for (std::size_t j = 0; j < 8; ++j) {
    const int low = stored.scales_low[j / 2] >> j % 2 * 4 & 15,
              high = stored.scales_high >> 2 * j & 3;
    block.scales[j] = static_cast<std::int16_t>((low | high << 4) - 32);
    block.mins[j] = 0;
  }
  for (std::size_t i = 0; i < kSuperBlock; ++i) {
    block.codes[i] = stored.codes[i / 32 * 16 + i % 16] >> i % 32 / 16 * 4 & 15;
  }
}
void pack(const UnpackedBlock& block, BlockIq4Xs& stored) {
  stored.d = float_to_f16(block.d);
  stored.scales_high = 0;
  std::memset(stored.scales_low, 0, sizeof stored.scales_low);
  for (std::size_t j = 0; j < 8; ++j) {
    const int scale = block.scales[j] + 32;
    stored.scales_low[j / 2] = byte(stored.scales_low[j / 2] | (scale & 15) << j % 2 * 4);
    stored.scales_high = static_cast<std::uint16_t>(stored.scales_high | scale >> 4 << 2 * j);
  }
  for (std::size_t i = 0; i < kSuperBlock / 2; ++i) {
    const std::size_t first = i / 16 * 32 + i % 16;
    stored.codes[i] = byte((block.codes[first] & 15) | (block.codes[first + 16] & 15) << 4);
  }
}

}  // namespace limbeck::codec
