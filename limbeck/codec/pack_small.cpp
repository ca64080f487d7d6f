// Packing of the formats with 32 weights a block.
#include <bit>

#include "limbeck/base/f16.h"
#include "limbeck/codec/nibbles.h"
#include "limbeck/codec/packing.h"

namespace limbeck::codec {
namespace {

void unpack_nibbles(const std::uint8_t (&bytes)[16], UnpackedBlock& block) {
  for (std::size_t j = 0; j < 16; ++j) {
    block.codes[j] = bytes[j] & 15;
    block.codes[j + 16] = bytes[j] >> 4;
  }
}

void unpack_high(const std::uint8_t (&high)[4], UnpackedBlock& block) {
  for (std::size_t j = 0; j < 32; ++j) {
    block.codes[j] = byte(block.codes[j] | (high[j / 8] >> j % 8 & 1) << 4);
  }
}

void one_scale(Half d, UnpackedBlock& block) {
  block.d = f16_to_float(d);
  block.dmin = 0;
  block.scales[0] = 1;
  block.mins[0] = 0;
}

// w = code d + m is stored as a negative dmin.
void scale_and_min(Half d, Half m, UnpackedBlock& block) {
  one_scale(d, block);
  block.dmin = -f16_to_float(m);
  block.mins[0] = 1;
}

}  // namespace

void unpack(const BlockQ4_0& stored, UnpackedBlock& block) {
  one_scale(stored.d, block);
  unpack_nibbles(stored.codes, block);
}
void pack(const UnpackedBlock& block, BlockQ4_0& stored) {
  stored.d = float_to_f16(block.d);
  pack_nibbles(block.codes.data(), stored.codes);
}

void unpack(const BlockQ4_1& stored, UnpackedBlock& block) {
  scale_and_min(stored.d, stored.m, block);
  unpack_nibbles(stored.codes, block);
}
void pack(const UnpackedBlock& block, BlockQ4_1& stored) {
  stored.d = float_to_f16(block.d);
  stored.m = float_to_f16(-block.dmin);
  pack_nibbles(block.codes.data(), stored.codes);
}

void unpack(const BlockQ5_0& stored, UnpackedBlock& block) {
  one_scale(stored.d, block);
  unpack_nibbles(stored.codes, block);
  unpack_high(stored.high, block);
}
void pack(const UnpackedBlock& block, BlockQ5_0& stored) {
  stored.d = float_to_f16(block.d);
  pack_nibbles(block.codes.data(), stored.codes);
  pack_high(block.codes.data(), stored.high);
}

void unpack(const BlockQ5_1& stored, UnpackedBlock& block) {
  scale_and_min(stored.d, stored.m, block);
  unpack_nibbles(stored.codes, block);
  unpack_high(stored.high, block);
}
void pack(const UnpackedBlock& block, BlockQ5_1& stored) {
  stored.d = float_to_f16(block.d);
  stored.m = float_to_f16(-block.dmin);
  pack_nibbles(block.codes.data(), stored.codes);
  pack_high(block.codes.data(), stored.high);
}

void unpack(const BlockQ8_0& stored, UnpackedBlock& block) {
  one_scale(stored.d, block);
  for (std::size_t j = 0; j < 32; ++j) block.codes[j] = byte(stored.codes[j] + 128);
}
void pack(const UnpackedBlock& block, BlockQ8_0& stored) {
  stored.d = float_to_f16(block.d);
  for (std::size_t j = 0; j < 32; ++j) {
    stored.codes[j] = static_cast<std::int8_t>(block.codes[j] - 128);
  }
}

void unpack(const BlockIq4Nl& stored, UnpackedBlock& block) {
  one_scale(stored.d, block);
  unpack_nibbles(stored.codes, block);
}
void pack(const UnpackedBlock& block, BlockIq4Nl& stored) {
  stored.d = float_to_f16(block.d);
  pack_nibbles(block.codes.data(), stored.codes);
}

float mxfp4_scale(std::uint8_t exponent) noexcept {
  const std::uint32_t bits = exponent < 2 ? 0x00200000u << exponent : (exponent - 1u) << 23;
  return std::bit_cast<float>(bits);
}
void unpack(const BlockMxfp4& stored, UnpackedBlock& block) {
  one_scale(0, block);
  block.d = mxfp4_scale(stored.exponent);
  unpack_nibbles(stored.codes, block);
}
void pack(const UnpackedBlock& block, BlockMxfp4& stored) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(block.d);
  stored.exponent = byte(bits >> 23 ? static_cast<int>(bits >> 23) + 1 : bits == 0x00400000u);
  pack_nibbles(block.codes.data(), stored.codes);
}

}  // namespace limbeck::codec
