// Taking each block format apart and putting it together: bits only, no arithmetic on weights.
#pragma once

#include "limbeck/codec/blocks.h"
#include "limbeck/codec/grid_format.h"
#include "limbeck/codec/table_format.h"

namespace limbeck::codec {

void unpack(const BlockQ4_0& stored, UnpackedBlock& block);
void unpack(const BlockQ4_1& stored, UnpackedBlock& block);
void unpack(const BlockQ5_0& stored, UnpackedBlock& block);
void unpack(const BlockQ5_1& stored, UnpackedBlock& block);
void unpack(const BlockQ8_0& stored, UnpackedBlock& block);
void unpack(const BlockQ2_K& stored, UnpackedBlock& block);
void unpack(const BlockQ3_K& stored, UnpackedBlock& block);
void unpack(const BlockQ4_K& stored, UnpackedBlock& block);
void unpack(const BlockQ5_K& stored, UnpackedBlock& block);
void unpack(const BlockQ6_K& stored, UnpackedBlock& block);
void unpack(const BlockIq4Nl& stored, UnpackedBlock& block);
void unpack(const BlockIq4Xs& stored, UnpackedBlock& block);
void unpack(const BlockMxfp4& stored, UnpackedBlock& block);

void pack(const UnpackedBlock& block, BlockQ4_0& stored);
void pack(const UnpackedBlock& block, BlockQ4_1& stored);
void pack(const UnpackedBlock& block, BlockQ5_0& stored);
void pack(const UnpackedBlock& block, BlockQ5_1& stored);
void pack(const UnpackedBlock& block, BlockQ8_0& stored);
void pack(const UnpackedBlock& block, BlockQ2_K& stored);
void pack(const UnpackedBlock& block, BlockQ3_K& stored);
void pack(const UnpackedBlock& block, BlockQ4_K& stored);
void pack(const UnpackedBlock& block, BlockQ5_K& stored);
void pack(const UnpackedBlock& block, BlockQ6_K& stored);
void pack(const UnpackedBlock& block, BlockIq4Nl& stored);
void pack(const UnpackedBlock& block, BlockIq4Xs& stored);
void pack(const UnpackedBlock& block, BlockMxfp4& stored);

void unpack(const BlockIq2Xxs& stored, TableBlock& block);
void unpack(const BlockIq2Xs& stored, TableBlock& block);
void unpack(const BlockIq2S& stored, TableBlock& block);
void unpack(const BlockIq3Xxs& stored, TableBlock& block);
void unpack(const BlockIq3S& stored, TableBlock& block);

void pack(const TableBlock& block, BlockIq2Xxs& stored);
void pack(const TableBlock& block, BlockIq2Xs& stored);
void pack(const TableBlock& block, BlockIq2S& stored);
void pack(const TableBlock& block, BlockIq3Xxs& stored);
void pack(const TableBlock& block, BlockIq3S& stored);

// 2^(exponent - 128), subnormal for 0 and 1. 255 means NaN in the standard: decode_row refuses it.
float mxfp4_scale(std::uint8_t exponent) noexcept;

}  // namespace limbeck::codec
