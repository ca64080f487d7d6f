#include "limbeck/codec/lattice.h"

#include <gtest/gtest.h>

#include <vector>

#include "limbeck/base/f16.h"
#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"

namespace limbeck {
namespace {

using enum TensorType;

constexpr std::size_t kColumns = 512, kBlocks = kColumns / 32;

float half(double value) { return f16_to_float(float_to_f16(static_cast<float>(value))); }

struct Row {
  std::vector<LatticeScale> blocks;
  std::vector<std::uint8_t> codes;
};

// Groups of `group` weights with a scale of full precision and a zero of [low, high].
Row make_row(std::size_t group, int low, int high, std::uint64_t seed) {
  Random random(seed);
  Row row;
  for (std::size_t i = 0; i < kBlocks; ++i) {
    const bool begins = i * 32 % group == 0;
    const auto zero = low + static_cast<int>(random.uniform() * (high - low + 1));
    row.blocks.push_back(begins ? LatticeScale{half(0.01 + 0.02 * random.uniform()), zero}
                                : row.blocks.back());
  }
  for (std::size_t i = 0; i < kColumns; ++i) {
    row.codes.push_back(static_cast<std::uint8_t>(random.uniform() * 16));
  }
  return row;
}

// Whether the type takes the row; if so, every value must come back as it is.
bool holds(TensorType type, const Row& row) {
  if (!lattice_fits(type, row.blocks, 15)) return false;
  std::vector<std::byte> bytes(row_bytes(type, kColumns));
  encode_lattice(type, row.blocks, row.codes, 15, bytes);
  std::vector<float> decoded(kColumns);
  decode_row(type, bytes, decoded);
  for (std::size_t i = 0; i < kColumns; ++i) {
    const LatticeScale& block = row.blocks[i / 32];
    EXPECT_EQ(decoded[i], block.scale * static_cast<float>(row.codes[i] - block.zero)) << i;
  }
  return true;
}

TEST(Lattice, SymmetricGroupsAreQ4_0) {
  const Row row = make_row(32, 8, 8, 1);
  EXPECT_TRUE(holds(q4_0, row));
  EXPECT_TRUE(holds(q4_1, row));  // -8 d is a binary16 value if d is
  EXPECT_TRUE(holds(q5_0, row));
  EXPECT_TRUE(holds(q5_1, row));
  EXPECT_TRUE(holds(q8_0, row));
  EXPECT_FALSE(holds(q4_k, row));  // eight unrelated scales have no common step
  EXPECT_FALSE(holds(q6_k, row));
  EXPECT_FALSE(holds(iq4_nl, row));
}

TEST(Lattice, AnyZeroIsQ5_0) {
  const Row row = make_row(128, 0, 16, 2);
  EXPECT_TRUE(holds(q5_0, row));
  EXPECT_FALSE(holds(q4_0, row));
  EXPECT_FALSE(holds(q4_1, row));  // 13 scale needs more than 11 bits
}

TEST(Lattice, OneScaleForTheSuperblockIsQ4_K) {
  for (const int zero : {0, 3, 13}) EXPECT_TRUE(holds(q4_k, make_row(256, zero, zero, 3))) << zero;
  Row row = make_row(256, 5, 5, 4);
  for (std::size_t i = 0; i < kBlocks; ++i) row.blocks[i].scale = half(0.0078125) * float(i % 8);
  EXPECT_TRUE(holds(q4_k, row));  // multiples of one step, zero among them
}

TEST(Lattice, PowersOfTwoAreQ4_1) {
  for (const int zero : {0, 1, 2, 4, 16}) EXPECT_TRUE(holds(q4_1, make_row(64, zero, zero, 5)));
}

TEST(Lattice, ScalesThatAreNoHalvesAreRefused) {
  Row row = make_row(32, 8, 8, 6);
  row.blocks[7].scale = 0.1f;
  for (const TensorType type : {q4_0, q4_1, q5_0, q5_1, q8_0, q4_k}) EXPECT_FALSE(holds(type, row));
  row.blocks[7].scale = 1e6f;
  EXPECT_FALSE(holds(q4_0, row));
}

TEST(Lattice, Q4_0GoesIntoWiderTypesAndComesBack) {
  const Row row = make_row(32, 8, 8, 7);
  std::vector<std::byte> bytes(row_bytes(q4_0, kColumns));
  encode_lattice(q4_0, row.blocks, row.codes, 15, bytes);
  Row again{std::vector<LatticeScale>(kBlocks), std::vector<std::uint8_t>(kColumns)};
  EXPECT_EQ(read_lattice(q4_0, bytes, again.blocks, again.codes), 15);
  EXPECT_EQ(again.codes, row.codes);
  EXPECT_EQ(again.blocks[3].scale, row.blocks[3].scale);
  EXPECT_EQ(again.blocks[3].zero, 8);
  EXPECT_EQ(read_lattice(q4_k, bytes, again.blocks, again.codes), 0);
}

}  // namespace
}  // namespace limbeck
