// Activations and weights that are NaN, infinite, denormal or zero: every instruction set gives the
// bits of the scalar table. A NaN is equal to any NaN, whose sign and payload instructions choose.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "limbeck/base/random.h"
#include "limbeck/codec/codec.h"
#include "limbeck/kernels/kernel_table.h"

namespace limbeck {
namespace {

// Of all sixteen classes of floats; `finite` leaves out infinities and NaN.
std::vector<float> strange(std::size_t n, std::uint64_t seed, bool finite) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  const float kinds[] = {0.0f,
                         -0.0f,
                         std::numeric_limits<float>::denorm_min(),
                         -1e-40f,
                         std::numeric_limits<float>::min(),
                         kLargest,
                         -kLargest,
                         1e19f,
                         std::numeric_limits<float>::infinity(),
                         -std::numeric_limits<float>::infinity(),
                         std::numeric_limits<float>::quiet_NaN()};
  Random random(seed);
  std::vector<float> out(n);
  for (float& value : out) {
    const auto kind = random() % 24;
    value = kind < (finite ? 8u : 11u) ? kinds[kind] : static_cast<float>(random.normal());
  }
  return out;
}

testing::AssertionResult same(const std::vector<float>& a, const std::vector<float>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool bits = std::bit_cast<std::uint32_t>(a[i]) == std::bit_cast<std::uint32_t>(b[i]);
    if (!bits && !(std::isnan(a[i]) && std::isnan(b[i])))
      return testing::AssertionFailure() << a[i] << ", scalar " << b[i] << " at " << i;
  }
  return testing::AssertionSuccess();
}

class StrangeValues : public testing::TestWithParam<const KernelTable*> {};

TEST_P(StrangeValues, AreQuantizedAsScalarDoes) {
  constexpr std::size_t kN = 320;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto x = strange(kN, seed, seed % 2 == 0);
    std::vector<std::int8_t> codes(kN), other_codes(kN);
    std::vector<float> scales(kN / 32), other_scales(kN / 32);
    std::vector<std::int32_t> sums(kN / 16), other_sums(kN / 16);
    GetParam()->quantize_row(x.data(), kN, codes.data(), scales.data(), sums.data());
    kScalarKernels.quantize_row(x.data(), kN, other_codes.data(), other_scales.data(),
                                other_sums.data());
    ASSERT_EQ(codes, other_codes) << seed;
    ASSERT_EQ(sums, other_sums) << seed;
    ASSERT_TRUE(same(scales, other_scales)) << seed;
  }
}

TEST_P(StrangeValues, GoThroughTheVectorLoopsAsThroughScalar) {
  const KernelTable &a = *GetParam(), &b = kScalarKernels;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::size_t n = 1 + seed % 40;
    const auto x = strange(n, seed, false), up = strange(n, seed + 1000, false);
    const auto compare = [&](const char* what, auto&& apply) {
      auto one = x, other = x;
      apply(a, one);
      apply(b, other);
      EXPECT_TRUE(same(one, other)) << what << ' ' << seed;
    };
    compare("softmax", [&](const KernelTable& t, auto& v) { t.softmax(v.data(), n); });
    compare("softmax_piece", [&](const KernelTable& t, auto& v) {
      float top = 0.5f, total = 2;
      v.push_back(t.softmax_piece(v.data(), n, top, total));
      v.push_back(top), v.push_back(total);
    });
    compare("silu", [&](const KernelTable& t, auto& v) { t.silu(v.data(), up.data(), n); });
    compare("silu", [&](const KernelTable& t, auto& v) { t.silu(v.data(), nullptr, n); });
    compare("gelu", [&](const KernelTable& t, auto& v) { t.gelu_tanh(v.data(), up.data(), n); });
    compare("soft_cap", [&](const KernelTable& t, auto& v) { t.soft_cap(v.data(), n, 30); });
    compare("scale", [&](const KernelTable& t, auto& v) { t.scale(v.data(), n, 1e-20f); });
    compare("squares",
            [&](const KernelTable& t, auto& v) { v[0] = t.sum_of_squares(v.data(), n); });
    compare("to_f16", [&](const KernelTable& t, auto& v) {
      std::vector<std::uint16_t> halves(n);
      t.to_f16(v.data(), n, halves.data());
      decode_row(TensorType::f16, std::as_bytes(std::span(halves)), v);
    });
  }
}

TEST_P(StrangeValues, AreMultipliedAsScalarDoes) {
  constexpr std::size_t kRows = 9, kColumns = 37, kN = 7;
  for (const TensorType type : {TensorType::f32, TensorType::bf16, TensorType::f16}) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      std::vector<std::byte> weights(kRows * kColumns * info(type).block_bytes);
      Random random(seed);
      if (type == TensorType::f32) {
        const auto values = strange(kRows * kColumns, seed, false);
        std::memcpy(weights.data(), values.data(), weights.size());
      } else {
        for (std::byte& byte : weights) byte = static_cast<std::byte>(random() & 0xff);
      }
      const auto x = strange(kN * kColumns, seed + 1000, false);
      const PlainRows rows{type, weights.data(), kColumns, weights.size() / kRows};
      std::vector<float> out(kN * kRows), other(kN * kRows);
      GetParam()->matmul_plain(rows, kRows, x.data(), kColumns, kN, {out.data(), kRows});
      kScalarKernels.matmul_plain(rows, kRows, x.data(), kColumns, kN, {other.data(), kRows});
      ASSERT_TRUE(same(out, other)) << info(type).name << ' ' << seed;
      if (type == TensorType::bf16) continue;
      std::vector<float> sums(kN * kColumns), other_sums(kN * kColumns);
      GetParam()->weighted_sum(x.data(), kColumns, kN, rows, kRows, {sums.data(), kColumns}, false);
      kScalarKernels.weighted_sum(x.data(), kColumns, kN, rows, kRows,
                                  {other_sums.data(), kColumns}, false);
      ASSERT_TRUE(same(sums, other_sums)) << info(type).name << ' ' << seed;
    }
  }
}

// Panels of blocks of any bytes, their scales among them: NaN and infinity as f16.
TEST_P(StrangeValues, PanelsOfAnyBytesGiveTheBitsOfScalar) {
  constexpr std::size_t kRows = 21, kColumns = 512, kN = 7;
  for (const TensorTypeInfo& type : tensor_types()) {
    const PanelLayout* layout = panel_layout(type.type);
    if (!layout) continue;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      Random random(seed);
      const std::size_t stride = row_bytes(type.type, kColumns);
      std::vector<std::byte> bytes(kRows * stride);
      for (std::byte& byte : bytes) {
        byte = static_cast<std::byte>(seed % 2 == 0 ? random() & 0xff : random() % 3 ? 0xff : 0x7c);
      }
      const std::size_t size = panel_bytes(*layout, kColumns);
      std::vector<std::uint8_t> panels((kRows + 15) / 16 * size);
      for (std::size_t r = 0; r < kRows; r += 16) {
        const std::size_t n = std::min<std::size_t>(16, kRows - r);
        pack_panel(*layout, std::span(bytes).subspan(r * stride, n * stride), n, kColumns,
                   std::span(panels).subspan(r / 16 * size, size));
      }
      const PanelMatrix matrix{type.type, kRows, kColumns, size, panels.data()};
      const auto x = strange(kN * kColumns, seed, seed % 4 == 0);
      const auto multiply = [&](const KernelTable& table) {
        std::vector<std::int8_t> codes(x.size());
        std::vector<float> scales(x.size() / 32);
        std::vector<std::int32_t> sums(x.size() / 16);
        const std::size_t n_tiles = (kN + kTileRows - 1) / kTileRows;
        std::vector<ActivationTile> tiles(kColumns / 256 * n_tiles);
        for (std::size_t i = 0; i < kN; ++i) {
          const std::size_t at = i * kColumns;
          kScalarKernels.quantize_row(x.data() + at, kColumns, codes.data() + at,
                                      scales.data() + at / 32, sums.data() + at / 16);
          table.pack_row(
              {codes.data() + at, scales.data() + at / 32, sums.data() + at / 16, kColumns},
              tiles.data() + i / kTileRows, n_tiles, i % kTileRows);
        }
        std::vector<float> out;
        for (const std::size_t n : {std::size_t{1}, kN}) {
          std::vector<float> part(n * kRows);
          table.matmul_panels(matrix, 0, (kRows + 15) / 16,
                              {codes.data(), scales.data(), sums.data(), kColumns, tiles.data()}, n,
                              {part.data(), kRows});
          out.insert(out.end(), part.begin(), part.end());
        }
        return out;
      };
      ASSERT_TRUE(same(multiply(*GetParam()), multiply(kScalarKernels)))
          << type.name << ' ' << seed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, StrangeValues, testing::ValuesIn(supported_kernels()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace limbeck
