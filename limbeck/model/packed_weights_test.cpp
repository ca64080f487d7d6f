// Against independent packers: tests/interop/test_packed.py. Here: choices of type, bad input.
#include "limbeck/model/packed_weights.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "limbeck/base/error.h"
#include "limbeck/base/f16.h"
#include "limbeck/codec/codec.h"

namespace limbeck {
namespace {

constexpr std::int64_t kRows = 8, kColumns = 512;

// Tensors in memory, by name.
class Tensors {
 public:
  template <typename T>
  void add(const std::string& name, TensorType type, Shape shape, const std::vector<T>& values) {
    auto& bytes = bytes_[name];
    bytes.resize(values.size() * sizeof(T));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    tensors_[name] = {name, type, std::move(shape), bytes};
  }
  StoredTensor& at(const std::string& name) { return tensors_.at(name); }
  FindTensor find() const {
    return [this](std::string_view name) -> const StoredTensor* {
      const auto found = tensors_.find(std::string(name));
      return found == tensors_.end() ? nullptr : &found->second;
    };
  }

 private:
  std::map<std::string, std::vector<std::byte>> bytes_;
  std::map<std::string, StoredTensor> tensors_;
};

// "w" as GPTQ packs it: code (row + column) % 16, one zero point for all, a scale for each group.
Tensors gptq(std::int64_t group, std::uint32_t zero, bool act_order = false) {
  Tensors tensors;
  const std::int64_t groups = kColumns / group;
  std::vector<std::uint32_t> codes(kColumns / 8 * kRows), zeros(static_cast<std::size_t>(groups));
  for (std::int64_t c = 0; c < kColumns; ++c) {
    for (std::int64_t r = 0; r < kRows; ++r) {
      codes[static_cast<std::size_t>(c / 8 * kRows + r)] |= static_cast<std::uint32_t>((r + c) % 16)
                                                            << 4 * (c % 8);
    }
  }
  for (std::uint32_t& word : zeros) word = 0x11111111u * (zero - 1);
  std::vector<std::uint16_t> scales;
  for (std::int64_t i = 0; i < groups * kRows; ++i) {
    scales.push_back(float_to_f16(0.01f + 0.00037f * static_cast<float>(i)));
  }
  std::vector<std::int32_t> index;
  for (std::int64_t c = 0; c < kColumns; ++c) {
    index.push_back(static_cast<std::int32_t>(act_order ? c % groups : c / group));
  }
  tensors.add("w.qweight", TensorType::i32, {kColumns / 8, kRows}, codes);
  tensors.add("w.qzeros", TensorType::i32, {groups, kRows / 8}, zeros);
  tensors.add("w.scales", TensorType::f16, {groups, kRows}, scales);
  tensors.add("w.g_idx", TensorType::i32, {kColumns}, index);
  return tensors;
}

PackedScheme scheme(std::int64_t group) { return {Packer::gptq, group, true}; }

TEST(PackedMatrix, TakesTheSmallestTypeThatIsExact) {
  struct Case {
    std::int64_t group;
    std::uint32_t zero;
    bool act_order;
    TensorType type;
  };
  const Case cases[] = {{32, 8, false, TensorType::q4_0},  {128, 8, false, TensorType::q4_0},
                        {256, 5, false, TensorType::q4_k}, {128, 4, false, TensorType::q4_1},
                        {128, 5, false, TensorType::q5_0}, {16, 8, false, TensorType::f32},
                        {128, 8, true, TensorType::f32}};
  for (const Case& c : cases) {
    const Tensors tensors = gptq(c.group, c.zero, c.act_order);
    const PackedMatrix matrix(tensors.find(), scheme(c.group), "w");
    EXPECT_EQ(info(matrix.stored().type).name, info(c.type).name) << c.group << " " << c.zero;
    EXPECT_EQ(matrix.why().empty(), c.type == TensorType::q4_0);
    const std::vector<std::byte> bytes = matrix.unpack();
    std::vector<float> row(kColumns);
    decode_row(c.type, std::span(bytes).subspan(bytes.size() / kRows, bytes.size() / kRows), row);
    for (std::int64_t i = 0; i < kColumns; ++i) {
      const std::int64_t groups = kColumns / c.group, g = c.act_order ? i % groups : i / c.group;
      const auto at = static_cast<float>(g * kRows + 1);
      const float scale = f16_to_float(float_to_f16(0.01f + 0.00037f * at));
      const auto level = (1 + i) % 16 - static_cast<std::int64_t>(c.zero);
      ASSERT_EQ(row[static_cast<std::size_t>(i)], scale * static_cast<float>(level)) << i;
    }
  }
}

std::string error_of(const Tensors& tensors) {
  try {
    const PackedMatrix matrix(tensors.find(), scheme(128), "w");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(PackedMatrix, RefusesPartsThatDoNotBelongTogether) {
  EXPECT_EQ(error_of(gptq(128, 8)), "");
  Tensors tensors = gptq(128, 8);
  tensors.at("w.scales").shape = {kRows, 4};
  EXPECT_NE(error_of(tensors).find("'w.scales' has shape [8, 4]"), std::string::npos);
  tensors = gptq(128, 8);
  tensors.at("w.qzeros").type = TensorType::f32;
  EXPECT_NE(error_of(tensors).find("'w.qzeros' is f32, expected i32"), std::string::npos);
  tensors = gptq(64, 8);
  EXPECT_NE(error_of(tensors).find("'w.scales'"), std::string::npos);
  tensors = gptq(128, 8);
  tensors.add("w.g_idx", TensorType::i32, {kColumns}, std::vector<std::int32_t>(kColumns, 4));
  EXPECT_NE(error_of(tensors).find("names group 4 for column 0; there are 4"), std::string::npos);
  tensors.add("w.g_idx", TensorType::i32, {3}, std::vector<std::int32_t>(3));
  EXPECT_NE(error_of(tensors).find("'w.g_idx' has shape [3]"), std::string::npos);
  // No byte of a file, and two thousand million columns.
  tensors = gptq(128, 8);
  tensors.at("w.qweight").shape = {268435455, 0};
  tensors.at("w.qzeros").shape = tensors.at("w.scales").shape = {16777216, 0};
  EXPECT_NE(error_of(tensors).find("expected a matrix"), std::string::npos);
}

TEST(PackedScheme, RefusesWhatIsNotRead) {
  const auto error = [](const Json& config) -> std::string {
    try {
      packed_scheme({{"quantization_config", config}}, "config.json");
    } catch (const Error& caught) {
      return caught.what();
    }
    return "";
  };
  EXPECT_EQ(packed_scheme(Json::object(), "config.json"), std::nullopt);
  EXPECT_EQ(error({{"quant_method", "gptq"}, {"bits", 4}, {"group_size", -1}}), "");
  EXPECT_NE(error({{"quant_method", "gptq"}, {"bits", 3}, {"group_size", 128}}).find("bits is '3'"),
            std::string::npos);
  EXPECT_NE(error({{"quant_method", "fp8"}}).find("quant_method is 'fp8'"), std::string::npos);
  EXPECT_NE(error({{"quant_method", "awq"}, {"bits", 4}, {"group_size", 64}, {"version", "gemv"}})
                .find("version is 'gemv'"),
            std::string::npos);
  EXPECT_NE(error({{"quant_method", "compressed-tensors"}, {"format", "pack-quantized"}})
                .find("config_groups"),
            std::string::npos);
}

}  // namespace
}  // namespace limbeck
