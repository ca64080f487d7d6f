// The same bytes and the same numbers as ggml (tests/golden/codec/README.md).
#include <gtest/gtest.h>

#include <filesystem>

#include "limbeck/base/atomic_file.h"
#include "limbeck/base/json.h"
#include "limbeck/base/sha256.h"
#include "limbeck/codec/codec.h"
#include "limbeck/codec/golden_rows.h"

namespace limbeck {
namespace {

std::filesystem::path golden_folder() {
  return std::filesystem::path(LIMBECK_SOURCE_DIR) / "tests/golden/codec";
}

std::string golden_bytes(TensorType type) {
  return read_file(golden_folder() / (std::string(info(type).name) + ".bin"), 1 << 20);
}

class Golden : public testing::TestWithParam<TensorType> {};

TEST_P(Golden, DecodesToTheSameNumbers) {
  const std::string bytes = golden_bytes(GetParam());
  const std::size_t size = row_bytes(GetParam(), golden::kColumns);
  ASSERT_EQ(bytes.size(), 2 * golden::kKinds * size);
  Sha256 sha;
  std::vector<float> weights(golden::kColumns);
  for (std::size_t row = 0; row < 2 * golden::kKinds; ++row) {
    decode_row(GetParam(), std::as_bytes(std::span(bytes)).subspan(row * size, size), weights);
    sha.add(std::as_bytes(std::span(weights)));
  }
  const Json expected = read_json_file((golden_folder() / "decoded.json").string());
  EXPECT_EQ(sha.hex(), expected.at(std::string(info(GetParam()).name)).get<std::string>());
}

class GoldenRounding : public testing::TestWithParam<TensorType> {};

TEST_P(GoldenRounding, GivesTheSameBytes) {
  const std::string bytes = golden_bytes(GetParam());
  const std::size_t size = row_bytes(GetParam(), golden::kColumns);
  std::vector<std::byte> made(size);
  for (std::size_t i = 0; i < 2 * golden::kKinds; ++i) {
    const std::size_t kind = i % golden::kKinds;
    const bool weighted = i >= golden::kKinds;
    encode_row(GetParam(), golden::row(kind), made,
               weighted ? golden::importance(kind) : std::vector<float>{});
    const auto expected = std::as_bytes(std::span(bytes)).subspan(i * size, size);
    std::size_t differing = 0;
    for (std::size_t at = 0; at < size; ++at) differing += made[at] != expected[at];
    EXPECT_EQ(differing, 0u) << "row of kind " << kind << (weighted ? ", weighted" : ", plain");
  }
}

double weighted_error(TensorType type, std::span<const std::byte> bytes,
                      const std::vector<float>& x, const std::vector<float>& importance) {
  std::vector<float> decoded(x.size());
  decode_row(type, bytes, decoded);
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double miss = double{decoded[i]} - double{x[i]};
    sum += double{importance[i]} * miss * miss;
  }
  return sum;
}

class GridRounding : public testing::TestWithParam<TensorType> {};  // our own search

TEST_P(GridRounding, IsNoWorse) {
  const std::string bytes = golden_bytes(GetParam());
  const std::size_t size = row_bytes(GetParam(), golden::kColumns);
  std::vector<std::byte> made(size);
  for (const std::size_t kind : {0u, 1u, 5u, 6u, 7u, 8u, 9u}) {
    const auto x = golden::row(kind), importance = golden::importance(kind);
    encode_row(GetParam(), x, made, importance);
    const auto theirs =
        std::as_bytes(std::span(bytes)).subspan((golden::kKinds + kind) * size, size);
    const double ratio = weighted_error(GetParam(), made, x, importance) /
                         weighted_error(GetParam(), theirs, x, importance);
    EXPECT_LT(ratio, 1.02) << "row of kind " << kind;
    RecordProperty("kind" + std::to_string(kind), std::to_string(ratio));
  }
}

using enum TensorType;
constexpr TensorType kReference[] = {q4_0, q4_1, q5_0,   q5_1,   q8_0,  q2_k,  q3_k, q4_k,
                                     q5_k, q6_k, iq4_nl, iq4_xs, tq1_0, tq2_0, mxfp4};
constexpr TensorType kGrid[] = {iq3_s, iq3_xxs, iq2_s, iq2_xs, iq2_xxs};

std::string type_name(const testing::TestParamInfo<TensorType>& test) {
  return std::string(info(test.param).name);
}

INSTANTIATE_TEST_SUITE_P(Reference, Golden, testing::ValuesIn(kReference), type_name);
INSTANTIATE_TEST_SUITE_P(Grid, Golden, testing::ValuesIn(kGrid), type_name);
INSTANTIATE_TEST_SUITE_P(Types, GoldenRounding, testing::ValuesIn(kReference), type_name);
INSTANTIATE_TEST_SUITE_P(Types, GridRounding, testing::ValuesIn(kGrid), type_name);

}  // namespace
}  // namespace limbeck
