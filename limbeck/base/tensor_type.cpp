#include "limbeck/base/tensor_type.h"

#include <algorithm>
#include <cctype>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

using enum TensorType;

constexpr TensorTypeInfo kTypes[] = {
    {f32, "f32", "F32", 0, 1, 4},
    {f16, "f16", "F16", 1, 1, 2},
    {bf16, "bf16", "BF16", 30, 1, 2},
    {f64, "f64", "F64", 28, 1, 8},
    {i64, "i64", "I64", 27, 1, 8},
    {i32, "i32", "I32", 26, 1, 4},
    {i16, "i16", "I16", 25, 1, 2},
    {i8, "i8", "I8", 24, 1, 1},
    {u8, "u8", "U8", -1, 1, 1},
    {boolean, "bool", "BOOL", -1, 1, 1},
    {q4_0, "q4_0", "", 2, 32, 18},
    {q4_1, "q4_1", "", 3, 32, 20},
    {q5_0, "q5_0", "", 6, 32, 22},
    {q5_1, "q5_1", "", 7, 32, 24},
    {q8_0, "q8_0", "", 8, 32, 34},
    {q2_k, "q2_k", "", 10, 256, 84},
    {q3_k, "q3_k", "", 11, 256, 110},
    {q4_k, "q4_k", "", 12, 256, 144},
    {q5_k, "q5_k", "", 13, 256, 176},
    {q6_k, "q6_k", "", 14, 256, 210},
    {iq4_nl, "iq4_nl", "", 20, 32, 18},
    {iq4_xs, "iq4_xs", "", 23, 256, 136},
    {iq3_s, "iq3_s", "", 21, 256, 110},
    {iq3_xxs, "iq3_xxs", "", 18, 256, 98},
    {iq2_s, "iq2_s", "", 22, 256, 82},
    {iq2_xs, "iq2_xs", "", 17, 256, 74},
    {iq2_xxs, "iq2_xxs", "", 16, 256, 66},
    {tq1_0, "tq1_0", "", 34, 256, 54},
    {tq2_0, "tq2_0", "", 35, 256, 66},
    {mxfp4, "mxfp4", "", 39, 32, 17},
};

bool same_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

template <typename Matches>
const TensorTypeInfo* find_if(Matches matches) noexcept {
  const auto* found = std::ranges::find_if(kTypes, matches);
  return found == std::end(kTypes) ? nullptr : found;
}

}  // namespace

const TensorTypeInfo& info(TensorType type) noexcept {
  return kTypes[static_cast<std::size_t>(type)];
}
std::span<const TensorTypeInfo> tensor_types() noexcept { return kTypes; }

const TensorTypeInfo* find_tensor_type(std::string_view name) noexcept {
  return find_if([&](const TensorTypeInfo& row) { return same_ignoring_case(row.name, name); });
}
const TensorTypeInfo* find_safetensors_type(std::string_view name) noexcept {
  return find_if(
      [&](const TensorTypeInfo& row) { return !name.empty() && row.safetensors == name; });
}
const TensorTypeInfo* find_gguf_type(std::int64_t id) noexcept {
  return find_if([&](const TensorTypeInfo& row) { return id >= 0 && row.gguf_id == id; });
}

std::size_t row_bytes(TensorType type, std::int64_t columns) {
  const TensorTypeInfo& row = info(type);
  const auto n = static_cast<std::size_t>(columns);
  if (columns < 0 || n % row.block_weights != 0) {
    fail(ErrorKind::format, "rows of {} weights do not divide into {} blocks of {}", columns,
         row.name, row.block_weights);
  }
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(n / row.block_weights, row.block_bytes, &bytes)) {
    fail(ErrorKind::format, "a row of {} weights is impossible", columns);
  }
  return bytes;
}

}  // namespace limbeck
