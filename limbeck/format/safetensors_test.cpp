// One case per reason to refuse, as the reference's own tests (safetensors/src/tensor.rs), and what
// must be accepted.
#include "limbeck/format/safetensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <ostream>

#include "limbeck/base/error.h"
#include "limbeck/base/patience_test.h"
#include "limbeck/base/random.h"

namespace limbeck {
namespace {

std::string file_of(std::string_view header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  file += header;
  return file + std::string(data_bytes, '\1');
}

SafetensorsReader parse(const std::string& file) {
  return SafetensorsReader::parse(std::as_bytes(std::span(file)), "t");
}

// An exact copy of the heap, so that a sanitizer sees a read past its end.
void parse_prefix(const std::string& file, std::size_t n) {
  const std::vector<std::byte> bytes(reinterpret_cast<const std::byte*>(file.data()),
                                     reinterpret_cast<const std::byte*>(file.data()) + n);
  SafetensorsReader::parse(bytes, "t");
}

TEST(Safetensors, ReadsWhatIsThere) {
  const std::string file = file_of(
      R"({"b":{"dtype":"F16","shape":[2,3],"data_offsets":[8,20]},"__metadata__":{"k":"v"},)"
      R"("a":{"data_offsets":[0,8],"dtype":"I64","shape":[]},)"
      R"("empty":{"dtype":"F32","shape":[0,4],"data_offsets":[8,8]}}   )",
      20);
  const auto reader = parse(file);
  ASSERT_EQ(reader.tensors().size(), 3u);
  EXPECT_EQ(reader.tensors()[0].name, "a");
  EXPECT_EQ(reader.at("b").shape, (Shape{2, 3}));
  EXPECT_EQ(reader.at("b").type, TensorType::f16);
  EXPECT_EQ(reader.at("b").bytes.size(), 12u);
  EXPECT_TRUE(reader.at("empty").bytes.empty());
  EXPECT_EQ(reader.metadata().at("k"), "v");
  EXPECT_EQ(reader.find("c"), nullptr);
  EXPECT_THROW(reader.at("c"), Error);
  EXPECT_TRUE(parse(file_of("{}", 0)).tensors().empty());
}

struct Malformed {
  const char* name;
  std::string header;
  std::size_t data_bytes;
};
void PrintTo(const Malformed& row, std::ostream* out) { *out << row.name; }

std::string one(std::string_view fields) { return fmt::format(R"({{"t":{{{}}}}})", fields); }

const Malformed kMalformed[] = {
    {"not_json", "{\"t\"", 0},
    {"empty_header", "", 0},
    {"list_header", "[]", 0},
    {"leading_space", " {}", 0},
    {"text_header", "\"t\"", 0},
    {"number_header", "7", 0},
    {"trailing_value", "{}{}", 0},
    {"bytes_without_tensor", "{}", 1},
    {"tensor_is_a_number", R"({"t":1})", 0},
    {"tensor_is_a_list", R"({"t":[1]})", 0},
    {"tensor_is_null", R"({"t":null})", 0},
    {"no_dtype", one(R"("shape":[1],"data_offsets":[0,4])"), 4},
    {"no_shape", one(R"("dtype":"F32","data_offsets":[0,4])"), 4},
    {"no_offsets", one(R"("dtype":"F32","shape":[1])"), 4},
    {"unknown_dtype", one(R"("dtype":"F33","shape":[1],"data_offsets":[0,4])"), 4},
    {"lower_case_dtype", one(R"("dtype":"f32","shape":[1],"data_offsets":[0,4])"), 4},
    {"dtype_is_a_number", one(R"("dtype":7,"shape":[1],"data_offsets":[0,4])"), 4},
    {"dtype_is_an_object", one(R"("dtype":{},"shape":[1],"data_offsets":[0,4])"), 4},
    {"dtype_is_a_list", one(R"("dtype":["F32"],"shape":[1],"data_offsets":[0,4])"), 4},
    {"dtype_twice", one(R"("dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4])"), 4},
    {"shape_twice", one(R"("dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4])"), 4},
    {"unknown_field", one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1)"), 4},
    {"shape_is_text", one(R"("dtype":"F32","shape":"1","data_offsets":[0,4])"), 4},
    {"shape_is_nested", one(R"("dtype":"F32","shape":[[1]],"data_offsets":[0,4])"), 4},
    {"negative_dimension", one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), 4},
    {"real_dimension", one(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])"), 4},
    {"boolean_dimension", one(R"("dtype":"F32","shape":[true],"data_offsets":[0,4])"), 4},
    {"dimension_over_2_63",
     one(R"("dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,0])"), 0},
    {"dimension_over_2_64",
     one(R"("dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,0])"), 0},
    {"product_overflows",
     one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])"), 0},
    {"product_overflows_before_zero",
     one(R"("dtype":"U8","shape":[4294967296,4294967296,4294967296,0],"data_offsets":[0,0])"), 0},
    {"bytes_overflow", one(R"("dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0])"),
     0},
    {"rank_9", one(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])"), 4},
    {"one_offset", one(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), 4},
    {"three_offsets", one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,4])"), 4},
    {"negative_offset", one(R"("dtype":"F32","shape":[1],"data_offsets":[-1,4])"), 4},
    {"real_offset", one(R"("dtype":"F32","shape":[1],"data_offsets":[0.0,4])"), 4},
    {"backward_offsets", one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), 4},
    {"offset_past_the_end", one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), 4},
    {"offset_over_2_63", one(R"("dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775808])"),
     4},
    {"hole_at_the_start", one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), 8},
    {"tail", one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), 5},
    {"shape_needs_more", one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), 4},
    {"shape_needs_less", one(R"("dtype":"F32","shape":[1],"data_offsets":[0,8])"), 8},
    {"hole",
     R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}})",
     5},
    {"overlap",
     R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[3],"data_offsets":[2,5]}})",
     5},
    {"same_bytes",
     R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
     2},
    {"name_twice",
     R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
     4},
    {"name_is_not_utf8", "{\"\xff\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2},
    {"metadata_is_text", R"({"__metadata__":"x"})", 0},
    {"metadata_value_is_a_number", R"({"__metadata__":{"a":1}})", 0},
    {"metadata_value_is_an_object", R"({"__metadata__":{"a":{}}})", 0},
    {"metadata_twice", R"({"__metadata__":{},"__metadata__":{}})", 0},
    {"metadata_key_twice", R"({"__metadata__":{"a":"1","a":"2"}})", 0},
    {"deep", std::string(100'000, '{'), 0},
    {"deep_lists", R"({"t":{"shape":)" + std::string(100'000, '['), 0},
};

class SafetensorsMalformed : public testing::TestWithParam<Malformed> {};

TEST_P(SafetensorsMalformed, IsRefusedNamingTheFile) {
  const std::string file = file_of(GetParam().header, GetParam().data_bytes);
  try {
    parse_prefix(file, file.size());
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    EXPECT_EQ(std::string(error.what()).substr(0, 3), "t: ");
  }
}

INSTANTIATE_TEST_SUITE_P(All, SafetensorsMalformed, testing::ValuesIn(kMalformed),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Safetensors, HeaderLengthIsChecked) {
  for (const std::uint64_t length :
       {std::uint64_t{3}, std::uint64_t{100'000'001}, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    std::string file = file_of("{}", 0);
    std::memcpy(file.data(), &length, sizeof length);
    EXPECT_THROW(parse(file), Error) << length;
  }
}

TEST(Safetensors, KnownButUnsupportedDtypeSaysSo) {
  try {
    parse(file_of(one(R"("dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1])"), 1));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unsupported);
  }
}

const std::string kSmall =
    file_of(R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
            R"("b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})",
            11);

TEST(Safetensors, EveryTruncationIsRefused) {
  parse_prefix(kSmall, kSmall.size());
  for (std::size_t n = 0; n < kSmall.size(); ++n) EXPECT_THROW(parse_prefix(kSmall, n), Error) << n;
}

TEST(Safetensors, FlippedBitsGiveAValueOrAnError) {
  for (std::size_t bit = 0; bit < 8 * kSmall.size(); ++bit) {
    std::string file = kSmall;
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ 1 << bit % 8);
    try {
      parse_prefix(file, file.size());
    } catch (const Error&) {
    }
  }
}

TEST(Safetensors, LargeHostileHeadersAreRefusedFast) {
  std::string many = "{";
  for (int i = 0; i < 300'000; ++i) {
    many += fmt::format(R"("t{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}},)", i);
  }
  const ProcessTime time;
  EXPECT_EQ(parse(file_of(many + R"("__metadata__":{}})", 0)).tensors().size(), 300'000u);
  EXPECT_THROW(parse(file_of(many + R"("t9":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0)),
               Error);
  EXPECT_THROW(parse(file_of("{\"a\":" + std::string(50'000'000, '['), 0)), Error);
  EXPECT_LT(time.seconds(), 6 * kPatience);  // three times what it takes
}

TEST(Safetensors, WhatIsWrittenReadsBackEqual) {
  const auto path = std::filesystem::path(testing::TempDir()) / "round_trip.safetensors";
  Random random(1);
  std::vector<StoredTensor> tensors;
  std::vector<std::vector<std::byte>> kept;
  const std::pair<TensorType, Shape> kinds[] = {
      {TensorType::u8, {3}},       {TensorType::f32, {2, 3}}, {TensorType::bf16, {}},
      {TensorType::f64, {0, 7}},   {TensorType::i64, {1}},    {TensorType::boolean, {5}},
      {TensorType::f16, {2, 1, 3}}};
  for (const auto& [type, shape] : kinds) {
    auto& bytes = kept.emplace_back(static_cast<std::size_t>(tensor_bytes(type, shape)));
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    tensors.push_back({fmt::format("t.{}\n\"", tensors.size()), type, shape, bytes});
  }
  write_safetensors(path, tensors, {{"format", "pt"}});
  const auto reader = SafetensorsReader::open(path);
  ASSERT_EQ(reader.tensors().size(), tensors.size());
  for (const StoredTensor& tensor : tensors) {
    const StoredTensor& read = reader.at(tensor.name);
    EXPECT_EQ(read.type, tensor.type);
    EXPECT_EQ(read.shape, tensor.shape);
    EXPECT_TRUE(std::ranges::equal(read.bytes, tensor.bytes));
  }
  EXPECT_EQ(reader.metadata().at("format"), "pt");
  std::filesystem::remove(path);
}

TEST(Safetensors, WriterRefuses) {
  const auto path = std::filesystem::path(testing::TempDir()) / "refused.safetensors";
  const std::vector<std::byte> four(4);
  const std::vector<std::vector<StoredTensor>> bad = {
      {{"a", TensorType::f32, {1}, four}, {"a", TensorType::f32, {1}, four}},
      {{"a", TensorType::f32, {2}, four}},
      {{"a", TensorType::q4_0, {32}, four}},
      {{"\xff", TensorType::f32, {1}, four}},
      {{"__metadata__", TensorType::f32, {1}, four}}};
  for (const auto& tensors : bad) {
    EXPECT_THROW(write_safetensors(path, tensors), Error);
    EXPECT_FALSE(std::filesystem::exists(path));
  }
}

}  // namespace
}  // namespace limbeck
