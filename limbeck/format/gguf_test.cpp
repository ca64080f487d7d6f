#include "limbeck/format/gguf.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "limbeck/base/error.h"
#include "limbeck/base/patience_test.h"
#include "limbeck/base/random.h"
#include "limbeck/format/gguf_bytes.h"

namespace limbeck {
namespace {

using namespace gguf_bytes;  // NOLINT: the builders of the table below

// From an exact copy on the heap, so that a sanitizer sees a read past its end.
void parse_prefix(const std::string& file, std::size_t n) {
  const auto* begin = reinterpret_cast<const std::byte*>(file.data());
  GgufReader::parse(std::vector<std::byte>(begin, begin + n), "t");
}

GgufReader parse(const std::string& file) {
  return GgufReader::parse(std::as_bytes(std::span(file)), "t");
}

std::string array(std::string_view name, std::uint32_t type, std::uint64_t n) {
  return text(name) + u32(9) + u32(type) + u64(n);
}
std::string one_key(const std::string& pair) { return header(0, 1) + pair; }
std::string one_tensor(const std::string& info, std::size_t data_bytes) {
  return with_data(header(1, 0) + info, data_bytes);
}

struct Malformed {
  const char* name;
  std::string file;
  ErrorKind kind = ErrorKind::format;
};
void PrintTo(const Malformed& row, std::ostream* out) { *out << row.name; }

constexpr std::uint64_t kHuge = std::uint64_t{1} << 58;

const Malformed kMalformed[] = {
    {"empty", ""},
    {"wrong_magic", "GGML" + header(0, 0).substr(4)},
    {"version_0", header(0, 0, 0)},
    {"version_1", header(0, 0, 1), ErrorKind::unsupported},
    {"version_4", header(0, 0, 4)},
    {"big_endian", header(0, 0, 0x03000000u), ErrorKind::unsupported},
    {"n_tensors_huge", header(kHuge, 0)},
    {"n_keys_huge", header(0, kHuge)},
    {"n_tensors_over_the_limit", header(262'145, 0) + std::string(262'145 * 24, '\0')},
    {"n_keys_over_the_limit", header(0, 65'537) + std::string(65'537 * 13, '\0')},
    {"n_tensors_over_the_file", header(100, 0)},
    {"n_keys_over_the_file", header(0, 100)},
    {"key_length_huge", header(0, 1) + u64(std::uint64_t{1} << 62) + std::string(32, 'x')},
    {"key_over_256", one_key(key_u32(std::string(257, 'k'), 1))},
    {"key_empty", one_key(key_u32("", 1))},
    {"key_not_utf8", one_key(key_u32("\xff", 1))},
    {"key_with_nul", one_key(key_u32(std::string_view("a\0b", 3), 1))},
    {"key_twice", header(0, 2) + key_u32("a", 1) + key_u32("a", 2)},
    {"value_type_13", one_key(text("a") + u32(13) + u64(0))},
    {"value_type_huge", one_key(text("a") + u32(0xffffffffu) + u64(0))},
    {"value_missing", one_key(text("abcdefgh") + u32(10) + u32(1))},
    {"boolean_2", one_key(text("a") + u32(7) + "\2")},
    {"string_huge", one_key(text("a") + u32(8) + u64(std::uint64_t{1} << 62))},
    {"string_over_16_mib",
     one_key(text("a") + u32(8) + u64((16u << 20) + 1) + std::string((16u << 20) + 1, 'x'))},
    {"string_past_the_end", one_key(text("a") + u32(8) + u64(9) + "12345678")},
    {"array_of_arrays", one_key(array("a", 9, 1) + u32(4) + u64(0))},
    {"array_of_unknown", one_key(array("a", 13, 1) + u64(0))},
    {"array_huge", one_key(array("a", 4, kHuge))},
    {"array_bytes_overflow", one_key(array("a", 10, (std::uint64_t{1} << 61) + 1))},
    {"array_past_the_end", one_key(array("a", 4, 3) + u64(0))},
    {"array_over_the_limit",
     one_key(array("a", 0, (16u << 20) + 1) + std::string((16u << 20) + 1, 'x'))},
    {"string_array_past_the_end", one_key(array("a", 8, 2) + text("x") + u64(1))},
    {"string_array_element_huge", one_key(array("a", 8, 1) + u64(~std::uint64_t{0}))},
    {"boolean_array_of_3", one_key(array("a", 7, 1) + "\3")},
    {"alignment_0", one_key(key_u32("general.alignment", 0))},
    {"alignment_4", one_key(key_u32("general.alignment", 4))},
    {"alignment_24", one_key(key_u32("general.alignment", 24))},
    {"alignment_8192", one_key(key_u32("general.alignment", 8192))},
    {"alignment_is_text", one_key(text("general.alignment") + u32(8) + text("32"))},
    {"alignment_is_i32", one_key(text("general.alignment") + u32(5) + u32(32))},
    {"alignment_is_u64", one_key(text("general.alignment") + u32(10) + u64(32))},
    {"alignment_is_an_array", one_key(array("general.alignment", 4, 1) + u32(32))},
    {"tensor_name_64", one_tensor(tensor(std::string(64, 'n'), {1}, 0, 0), 32)},
    {"tensor_name_huge", header(1, 0) + u64(kHuge) + std::string(64, 'n')},
    {"tensor_name_empty", one_tensor(tensor("", {1}, 0, 0), 32)},
    {"tensor_name_not_utf8", one_tensor(tensor("\xc3", {1}, 0, 0), 32)},
    {"tensor_name_with_nul", one_tensor(tensor(std::string_view("a\0", 2), {1}, 0, 0), 32)},
    {"tensor_twice",
     with_data(header(2, 0) + tensor("a", {8}, 0, 0) + tensor("a", {8}, 0, 32), 64)},
    {"five_dimensions", one_tensor(tensor("a", {1, 1, 1, 1, 1}, 0, 0), 32)},
    {"n_dimensions_huge", header(1, 0) + text("a") + u32(0xffffffffu) + std::string(64, '\0')},
    {"dimension_over_2_63", one_tensor(tensor("a", {std::uint64_t{1} << 63}, 0, 0), 32)},
    {"product_wraps_to_zero",
     one_tensor(tensor("a", {1u << 31, 1u << 31, 1u << 31, 1u << 31}, 0, 0), 32)},
    {"product_wraps_beside_an_empty_dimension",
     one_tensor(tensor("a", {0, 1u << 31, 1u << 31, 1u << 31}, 0, 0), 32)},
    {"bytes_overflow", one_tensor(tensor("a", {std::uint64_t{1} << 62}, 0, 0), 32)},
    {"row_is_no_multiple_of_the_block", one_tensor(tensor("a", {33}, 2, 0), 64)},
    {"row_of_100_in_k_blocks", one_tensor(tensor("a", {100, 256}, 12, 0), 1 << 16)},
    {"type_4_was_removed", one_tensor(tensor("a", {32}, 4, 0), 32), ErrorKind::unsupported},
    {"type_unknown", one_tensor(tensor("a", {32}, 1000, 0), 32), ErrorKind::unsupported},
    {"type_huge", one_tensor(tensor("a", {32}, 0xffffffffu, 0), 32), ErrorKind::unsupported},
    {"offset_unaligned", one_tensor(tensor("a", {1}, 0, 4), 64)},
    {"offset_past_the_end", one_tensor(tensor("a", {1}, 0, 64), 32)},
    {"offset_huge", one_tensor(tensor("a", {1}, 0, ~std::uint64_t{31}), 32)},
    {"data_cut", one_tensor(tensor("a", {9}, 0, 0), 32)},
    {"no_data", header(1, 0) + tensor("a", {1}, 0, 0)},
    {"overlap", with_data(header(2, 0) + tensor("a", {16}, 0, 0) + tensor("b", {8}, 0, 32), 64)},
    {"magic_reversed", "FUGG" + header(0, 0).substr(4)},
    {"magic_in_lower_case", "gguf" + header(0, 0).substr(4)},
    {"a_zip_file", "PK\3\4" + std::string(64, '\0')},
    {"a_web_page", "<!DOCTYPE html><html></html>"},
    {"a_git_lfs_pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"},
    {"magic_alone", "GGUF"},
    {"version_huge", header(0, 0, 0xffffffffu)},
    {"n_tensors_negative", header(~std::uint64_t{0}, 0)},
    {"n_keys_negative", header(0, ~std::uint64_t{0})},
    {"key_length_negative", header(0, 1) + u64(~std::uint64_t{0}) + std::string(32, 'x')},
    {"array_negative", one_key(array("a", 0, ~std::uint64_t{0}))},
    {"array_type_huge", one_key(array("a", 0xffffffffu, 1) + u64(0))},
    {"string_array_element_over_16_mib",
     one_key(array("a", 8, 1) + u64((16u << 20) + 1) + std::string((16u << 20) + 1, 'x'))},
    {"alignment_1", one_key(key_u32("general.alignment", 1))},
    {"alignment_2_31", one_key(key_u32("general.alignment", 1u << 31))},
    {"product_is_2_64",
     one_tensor(tensor("a", {std::uint64_t{1} << 32, std::uint64_t{1} << 32}, 0, 0), 32)},
    {"largest_dimension", one_tensor(tensor("a", {~std::uint64_t{0} >> 1}, 0, 0), 32)},
    {"offset_inside_another",
     with_data(header(2, 0) + tensor("a", {64}, 0, 0) + tensor("b", {8}, 0, 64), 256)},
    {"tensor_info_cut", header(1, 0) + text("a") + u32(1)},
    {"same_bytes", with_data(header(2, 0) + tensor("a", {8}, 0, 0) + tensor("b", {8}, 0, 0), 32)},
};

class GgufMalformed : public testing::TestWithParam<Malformed> {};

TEST_P(GgufMalformed, IsRefusedNamingTheFile) {
  const Malformed& row = GetParam();
  try {
    parse_prefix(row.file, row.file.size());
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), row.kind) << error.what();
    EXPECT_EQ(std::string(error.what()).substr(0, 3), "t: ");
  }
}

INSTANTIATE_TEST_SUITE_P(All, GgufMalformed, testing::ValuesIn(kMalformed),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Gguf, SaysWhatAFileReallyIs) {
  for (const auto& [file, remedy] : std::initializer_list<std::pair<const char*, const char*>>{
           {"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"},
           {"PK\3\4xxxxxxxx", "pickle"},
           {"<!DOCTYPE html>", "web page"},
           {"xxxxxxxx{\"a\": 1}", "safetensors"}}) {
    try {
      parse(file);
      ADD_FAILURE() << file;
    } catch (const Error& error) {
      EXPECT_NE(error.remedy().find(remedy), std::string::npos) << file;
    }
  }
}

TEST(Gguf, ForeignNamesInErrorsAreEscaped) {
  const std::string_view name = "\x1b[2J";
  const std::string value = text(name);
  for (const std::string& file :
       {one_key(value + u32(13) + u64(0)), one_key(value + u32(7) + "\2"), one_key(value + u32(10)),
        one_key(value + u32(8) + u64(9) + "12345678"), one_key(array(name, 9, 1) + u32(4) + u64(0)),
        one_key(array(name, 4, 3) + u64(0)), one_tensor(tensor(name, {1, 1, 1, 1, 1}, 0, 0), 32),
        one_tensor(tensor(name, {1}, 1000, 0), 32), one_tensor(tensor(name, {33}, 2, 0), 64),
        one_tensor(tensor(name, {std::uint64_t{1} << 63}, 0, 0), 32),
        header(1, 0) + value + u32(4) + std::string(16, '\0')}) {
    try {
      parse(file);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("\\x1b[2J"), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find('\x1b'), std::string::npos) << error.what();
    }
  }
}

TEST(Gguf, AcceptsWhatTheFormatAllows) {
  EXPECT_TRUE(parse(header(0, 0)).tensors().empty());
  EXPECT_EQ(parse(header(0, 0, 2)).version(), 2);
  EXPECT_EQ(parse(one_tensor(tensor("a", {0, 5}, 0, 0), 0)).find("a")->bytes.size(), 0u);
  EXPECT_EQ(parse(one_tensor(tensor("scalar", {}, 0, 0), 4)).find("scalar")->bytes.size(), 4u);
  EXPECT_EQ(parse(one_tensor(tensor(std::string(63, 'n'), {1}, 0, 0), 4)).tensors().size(), 1u);
  const auto reader = parse(one_tensor(tensor("w", {64, 3}, 8, 0), 3 * 68));  // unpadded end
  EXPECT_EQ(reader.find("w")->shape, (Shape{3, 64}));
  EXPECT_EQ(reader.find("w")->bytes.size(), 204u);
  EXPECT_EQ(reader.find("x"), nullptr);
}

TEST(Gguf, ValuesAreTyped) {
  const auto file = header(0, 7) + key_u32("u32", 7) + text("i8") + u32(1) + "\xff" + text("f32") +
                    u32(6) + raw(1.5f) + text("text") + u32(8) + text("x\n") + text("flag") +
                    u32(7) + "\1" + array("list", 5, 2) + u32(1) + u32(2) + text("big") + u32(10) +
                    u64(~std::uint64_t{0});
  const auto reader = parse(file);
  EXPECT_EQ(reader.integer("u32"), 7);
  EXPECT_EQ(reader.integer("i8"), -1);
  EXPECT_EQ(reader.number("f32"), 1.5);
  EXPECT_EQ(reader.number("u32"), 7.0);
  EXPECT_EQ(*reader.text("text"), "x\n");
  EXPECT_EQ(reader.flag("flag"), true);
  EXPECT_EQ(*reader.array<std::int32_t>("list"), (std::vector<std::int32_t>{1, 2}));
  EXPECT_EQ(reader.integer("none"), std::nullopt);
  EXPECT_EQ(reader.text("none"), nullptr);
  EXPECT_EQ(reader.array<float>("none"), nullptr);
  EXPECT_THROW(reader.integer("big"), Error);
  EXPECT_THROW(reader.integer("f32"), Error);
  EXPECT_THROW(reader.integer("flag"), Error);
  EXPECT_THROW(reader.number("text"), Error);
  EXPECT_THROW(reader.text("u32"), Error);
  EXPECT_THROW(reader.flag("u32"), Error);
  EXPECT_THROW(reader.array<std::uint32_t>("list"), Error);
  EXPECT_EQ(type_name(*reader.value("list")), "array of i32");
  EXPECT_EQ(type_name(*reader.value("big")), "u64");
}

GgufMetadata every_type() {
  return {{"u8", std::uint8_t{255}},
          {"i8", std::int8_t{-128}},
          {"u16", std::uint16_t{65535}},
          {"i16", std::int16_t{-3}},
          {"u32", std::uint32_t{1u << 31}},
          {"i32", std::int32_t{-7}},
          {"f32", 0.1f},
          {"bool", true},
          {"text", std::string("a\0b", 3)},
          {"u64", ~std::uint64_t{0}},
          {"i64", std::int64_t{-1}},
          {"f64", 0.1},
          {"u8s", std::vector<std::uint8_t>{1, 2}},
          {"i8s", std::vector<std::int8_t>{-1}},
          {"u16s", std::vector<std::uint16_t>{1}},
          {"i16s", std::vector<std::int16_t>{}},
          {"u32s", std::vector<std::uint32_t>{3, 4}},
          {"i32s", std::vector<std::int32_t>{-3}},
          {"f32s", std::vector<float>{1.5f, -2.f}},
          {"bools", std::vector<bool>{true, false}},
          {"texts", std::vector<std::string>{"", "x", "\xff"}},
          {"u64s", std::vector<std::uint64_t>{5}},
          {"i64s", std::vector<std::int64_t>{-5}},
          {"f64s", std::vector<double>{2.5}}};
}

TEST(Gguf, WhatIsWrittenReadsBackEqual) {
  const auto path = std::filesystem::path(testing::TempDir()) / "round_trip.gguf";
  Random random(1);
  for (const std::size_t alignment : {8u, 32u, 4096u}) {
    std::vector<GgufTensor> tensors;
    std::vector<std::vector<std::byte>> kept;
    const std::pair<TensorType, Shape> kinds[] = {
        {TensorType::f32, {3}},       {TensorType::q4_k, {2, 256}},
        {TensorType::f16, {}},        {TensorType::q8_0, {0, 32}},
        {TensorType::i8, {5}},        {TensorType::bf16, {2, 1, 1, 3}},
        {TensorType::iq4_nl, {1, 64}}};
    for (const auto& [type, shape] : kinds) {
      auto& bytes = kept.emplace_back(static_cast<std::size_t>(tensor_bytes(type, shape)));
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
      tensors.push_back(
          {fmt::format("t.{}", tensors.size()), type, shape, [bytes] { return bytes; }});
    }
    write_gguf(path, every_type(), tensors, alignment);
    const auto reader = GgufReader::open(path);
    EXPECT_EQ(reader.alignment(), alignment);
    EXPECT_EQ(reader.data_offset() % alignment, 0u);
    auto metadata = reader.metadata();
    if (alignment != 32) metadata.pop_back();  // general.alignment, which the writer adds
    EXPECT_EQ(metadata, every_type());
    ASSERT_EQ(reader.tensors().size(), tensors.size());
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      EXPECT_EQ(reader.tensors()[i].name, tensors[i].name);
      EXPECT_EQ(reader.tensors()[i].type, tensors[i].type);
      EXPECT_EQ(reader.tensors()[i].shape, tensors[i].shape);
      EXPECT_TRUE(std::ranges::equal(reader.tensors()[i].bytes, kept[i]));
    }
  }
  std::filesystem::remove(path);
}

TEST(Gguf, WriterRefuses) {
  const auto path = std::filesystem::path(testing::TempDir()) / "refused.gguf";
  const auto four = [] { return std::vector<std::byte>(4); };
  const std::vector<std::vector<GgufTensor>> bad = {
      {{"a", TensorType::f32, {1}, four}, {"a", TensorType::f32, {1}, four}},
      {{"a", TensorType::f32, {2}, four}},
      {{"", TensorType::f32, {1}, four}},
      {{std::string(64, 'n'), TensorType::f32, {1}, four}},
      {{"a", TensorType::u8, {4}, four}},
      {{"a", TensorType::f32, {1, 1, 1, 1, 1}, four}},
      {{"a", TensorType::q8_0, {33}, four}}};
  for (const auto& tensors : bad) {
    EXPECT_THROW(write_gguf(path, {}, tensors), Error);
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  const std::uint32_t n = 64;
  EXPECT_THROW(write_gguf(path, {{"general.alignment", n}}, {}), Error);
  EXPECT_THROW(write_gguf(path, {{"k", n}, {"k", n}}, {}), Error);
  EXPECT_THROW(write_gguf(path, {}, {}, 24), Error);
}

std::string small_file() {
  return with_data(header(2, 3) + key_u32("general.alignment", 32) + array("l", 8, 2) + text("x") +
                       text("yz") + text("f") + u32(7) + "\1" + tensor("a", {32}, 8, 0) +
                       tensor("b", {2, 2}, 0, 64),
                   80);
}

TEST(Gguf, EveryTruncationIsRefused) {
  const std::string file = small_file();
  parse_prefix(file, file.size());
  for (std::size_t n = 0; n < file.size(); ++n) EXPECT_THROW(parse_prefix(file, n), Error) << n;
}

TEST(Gguf, FlippedBitsGiveAValueOrAnError) {
  for (std::size_t bit = 0; bit < 8 * small_file().size(); ++bit) {
    std::string file = small_file();
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ 1 << bit % 8);
    try {
      parse_prefix(file, file.size());
    } catch (const Error&) {
    }
  }
}

// A known parser takes 77 s for 200,000 keys and 59 s for 100,000 tensors.
TEST(Gguf, ManyNamesAreNotQuadratic) {
  std::string keys = header(0, 65'000), over = header(0, 200'000), tensors = header(100'000, 0);
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    const std::string key = key_u32(fmt::format("key{}", i), i);
    if (i < 65'000) keys += key;
    over += key;
    if (i < 100'000) tensors += tensor(fmt::format("tensor{}", i), {0}, 0, 0);
  }
  tensors = with_data(tensors, 0);
  const ProcessTime time;
  EXPECT_EQ(parse(keys).metadata().size(), 65'000u);
  EXPECT_EQ(parse(tensors).tensors().size(), 100'000u);
  EXPECT_THROW(parse(over), Error);
  EXPECT_LT(time.seconds(), 0.4 * kPatience);  // 0.2 s each
}

}  // namespace
}  // namespace limbeck
