// Rows that no training makes on purpose and files hold all the same: NaN, infinities, denormals,
// zeros, constants, lone outliers. Nothing that is encoded decodes to NaN, and every instruction
// set gives the same bytes. LIMBECK_SOAK_ROWS: how many rows of each type (a hundred).
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"
#include "limbeck/codec/group_search.h"

namespace limbeck {
namespace {

constexpr std::size_t kColumns = 512;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<TensorType> types() {
  std::vector<TensorType> out;
  for (const TensorTypeInfo& row : tensor_types()) {
    if (can_encode(row.type)) out.push_back(row.type);
  }
  return out;
}

long rows_wanted() {
  const char* wish = std::getenv("LIMBECK_SOAK_ROWS");
  return wish ? std::atol(wish) : 100;
}

// Finite; groups of 16 are of kinds of their own.
std::vector<float> strange_row(Random& random) {
  std::vector<float> x(kColumns);
  for (std::size_t group = 0; group < kColumns; group += 16) {
    const auto kind = random() % 9;
    const auto exponent = static_cast<int>(random() % 160) - 149;
    for (std::size_t i = 0; i < 16; ++i) {
      float& value = x[group + i];
      const auto normal = static_cast<float>(random.normal());
      if (kind == 0) value = random() & 1 ? 0.0f : -0.0f;
      if (kind == 1)
        value = std::bit_cast<float>(static_cast<std::uint32_t>(random() & 0x807fffff));
      if (kind == 2) value = std::ldexp(1.0f, exponent);
      if (kind == 3) value = std::ldexp(normal, exponent);
      if (kind == 4) value = i == 5 ? 3e4f : normal * 1e-6f;
      if (kind == 5) value = random() & 1 ? 1.0f : -1.0f;
      if (kind == 6) value = std::ldexp(normal, static_cast<int>(random() % 20) - 20);
      if (kind == 7) value = i == 15 ? std::numeric_limits<float>::min() : 0.0f;
      if (kind == 8) value = normal * 0.02f;
    }
  }
  return x;
}

std::vector<float> strange_importance(Random& random) {
  std::vector<float> out(kColumns);
  const auto kind = random() % 4;
  for (float& value : out) {
    value = kind == 0 ? 0.0f : static_cast<float>(random.uniform());
    if (kind == 1) value *= 1e-30f;
    if (kind == 2) value = random() % 8 == 0 ? 1e10f : 0.0f;
  }
  return out;
}

// FNV-1a of what becomes of all rows; -1 where one decodes to no number.
std::uint64_t digest(TensorType type, long rows) {
  Random random(1);
  std::uint64_t hash = 0xcbf29ce484222325u;
  std::vector<std::byte> bytes(row_bytes(type, kColumns));
  std::vector<float> decoded(kColumns);
  for (long r = 0; r < rows; ++r) {
    const std::vector<float> x = strange_row(random);
    const auto importance = r % 2 ? strange_importance(random) : std::vector<float>{};
    try {
      encode_row(type, x, bytes, importance);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::numeric) return ~std::uint64_t{0};
      hash = hash * 31 + 7;  // refused by all instruction sets or none
      continue;
    }
    for (const std::byte byte : bytes)
      hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3u;
    decode_row(type, bytes, decoded);
    for (const float value : decoded) {
      if (!std::isfinite(value)) return ~std::uint64_t{0};
    }
  }
  return hash;
}

// In a process of its own: the instruction set is chosen once.
std::uint64_t digest_by(std::string_view search, TensorType type, long rows) {
  int ends[2];
  if (pipe(ends) != 0) return 0;
  const pid_t child = fork();
  if (child == 0) {
    setenv("LIMBECK_KERNELS", std::string(search).c_str(), 1);
    const std::uint64_t hash = digest(type, rows);
    _exit(write(ends[1], &hash, sizeof hash) == sizeof hash ? 0 : 1);
  }
  close(ends[1]);
  std::uint64_t hash = 0;
  if (read(ends[0], &hash, sizeof hash) != sizeof hash) hash = 0;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return hash;
}

class StrangeRows : public testing::TestWithParam<TensorType> {};

TEST_P(StrangeRows, GiveFiniteWeightsAndTheSameBytesEverywhere) {
  const long rows = rows_wanted();
  const std::uint64_t scalar = digest_by("scalar", GetParam(), rows);
  ASSERT_NE(scalar, ~std::uint64_t{0}) << "a weight that is no number, or the wrong error";
  ASSERT_NE(scalar, 0u) << "the child died";
  for (const codec::GroupSearch* search : codec::supported_searches())
    EXPECT_EQ(digest_by(search->name, GetParam(), rows), scalar) << search->name;
}

TEST_P(StrangeRows, NoNumberIsRefusedOrKept) {
  const bool keeps = GetParam() == TensorType::f32 || GetParam() == TensorType::bf16;
  std::vector<std::byte> bytes(row_bytes(GetParam(), kColumns));
  for (const float bad : {kNan, -kNan, kInfinity, -kInfinity}) {
    for (const std::size_t at : {std::size_t{0}, std::size_t{17}, kColumns - 1}) {
      for (const bool all : {false, true}) {
        std::vector<float> x(kColumns, all ? bad : 0.25f), decoded(kColumns);
        x[at] = bad;
        if (!keeps) {
          EXPECT_THROW(encode_row(GetParam(), x, bytes), Error) << bad << " at " << at;
          continue;
        }
        encode_row(GetParam(), x, bytes);
        decode_row(GetParam(), bytes, decoded);
        EXPECT_EQ(std::isnan(decoded[at]), std::isnan(bad));
        EXPECT_EQ(std::isinf(decoded[at]), std::isinf(bad));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, StrangeRows, testing::ValuesIn(types()), [](const auto& test) {
  return std::string(limbeck::info(test.param).name);
});

}  // namespace
}  // namespace limbeck
