// One packed matrix: where its codes, scales and zero points lie, and what they mean.
// A word of 32 bits holds 8 codes, from the low bits up (AWQ: in the order kAwqShift).
//              codes                  scales         zero points
//   GPTQ       qweight [in/8, out]    [groups, out]  qzeros [groups, out/8], minus 1 in version 1
//   AWQ        qweight [in, out/8]    [groups, out]  qzeros [groups, out/8]
//   compressed weight_packed          weight_scale   weight_zero_point [out/8, groups] or none (8)
//   -tensors   [out, in/8]            [out, groups]
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "limbeck/base/error.h"
#include "limbeck/base/f16.h"
#include "limbeck/codec/codec.h"
#include "limbeck/model/packed_weights.h"

namespace limbeck {
namespace {

constexpr std::size_t kBlock = 32, kCodes = 8;  // weights of a block; codes in a word
constexpr int kMaxCode = 15;
constexpr std::array<unsigned, kCodes> kAwqShift = {0, 16, 4, 20, 8, 24, 12, 28};

// Smallest first: 4.5, 4.5, 5 and 5.5 bits a weight.
constexpr TensorType kExact[] = {TensorType::q4_0, TensorType::q4_k, TensorType::q4_1,
                                 TensorType::q5_0};

std::uint32_t word(const StoredTensor& tensor, std::size_t index) {
  std::uint32_t value = 0;
  std::memcpy(&value, tensor.bytes.data() + index * sizeof value, sizeof value);
  return value;
}

int nibble(std::uint32_t packed, std::size_t place) {
  return static_cast<int>(packed >> 4 * place & 15u);
}

int awq_nibble(std::uint32_t packed, std::size_t place) {
  return static_cast<int>(packed >> kAwqShift[place] & 15u);
}

float number(const StoredTensor& tensor, std::size_t index) {
  const std::size_t size = info(tensor.type).block_bytes;
  float value = 0;
  decode_row(tensor.type, tensor.bytes.subspan(index * size, size), {&value, 1});
  return value;
}

std::size_t up(std::size_t n) { return (n + kCodes - 1) / kCodes; }
std::int64_t dim(std::size_t n) { return static_cast<std::int64_t>(n); }

}  // namespace

PackedMatrix::PackedMatrix(const FindTensor& find, const PackedScheme& scheme,
                           const std::string& prefix)
    : prefix_(prefix), packer_(scheme.packer), zero_offset_(scheme.zeros_less_one ? 1 : 0) {
  packer_ == Packer::compressed_tensors ? find_compressed(find) : find_transposed(find);
  check_shapes(scheme);
  read_groups(scheme);
  stored_.name = prefix + ".weight";
  stored_.shape = {dim(rows_), dim(columns_)};
  stored_.type = exact_type();
}

void PackedMatrix::find_compressed(const FindTensor& find) {
  codes_ = &part(find, ".weight_packed");
  scales_ = &part(find, ".weight_scale");
  zeros_ = find(prefix_ + ".weight_zero_point");
  index_ = find(prefix_ + ".weight_g_idx");
  const StoredTensor& shape = part(find, ".weight_shape");
  if (shape.type != TensorType::i64 || shape.shape != Shape{2}) {
    fail(ErrorKind::format, "tensor '{}' is no i64 [2]", shape.name);
  }
  std::int64_t sizes[2];
  std::memcpy(sizes, shape.bytes.data(), sizeof sizes);
  if (std::min(sizes[0], sizes[1]) < 1 || std::max(sizes[0], sizes[1]) > INT32_MAX) {
    fail(ErrorKind::format, "tensor '{}' says [{}, {}]", shape.name, sizes[0], sizes[1]);
  }
  rows_ = static_cast<std::size_t>(sizes[0]);
  columns_ = static_cast<std::size_t>(sizes[1]);
}

void PackedMatrix::find_transposed(const FindTensor& find) {
  codes_ = &part(find, ".qweight");
  scales_ = &part(find, ".scales");
  zeros_ = &part(find, ".qzeros");
  index_ = packer_ == Packer::gptq ? find(prefix_ + ".g_idx") : nullptr;
  // An empty one could have any number of columns and take no byte of the file.
  if (codes_->shape.size() != 2 || std::ranges::min(codes_->shape) < 1 ||
      std::ranges::max(codes_->shape) > INT32_MAX / 8) {
    fail(ErrorKind::format, "tensor '{}' has shape [{}], expected a matrix", codes_->name,
         fmt::join(codes_->shape, ", "));
  }
  const auto first = static_cast<std::size_t>(codes_->shape[0]),
             second = static_cast<std::size_t>(codes_->shape[1]);
  rows_ = packer_ == Packer::gptq ? second : second * kCodes;
  columns_ = packer_ == Packer::gptq ? first * kCodes : first;
}

const StoredTensor& PackedMatrix::part(const FindTensor& find, std::string_view suffix) const {
  const StoredTensor* found = find(prefix_ + std::string(suffix));
  if (found != nullptr) return *found;
  fail(ErrorKind::format, "tensor '{}{}' of a packed matrix is missing", prefix_, suffix);
}

void PackedMatrix::expect_shape(const StoredTensor& tensor, const Shape& shape) const {
  if (tensor.shape == shape) return;
  fail(ErrorKind::format, "tensor '{}' has shape [{}]; beside '{}' [{}] it must be [{}]",
       tensor.name, fmt::join(tensor.shape, ", "), codes_->name, fmt::join(codes_->shape, ", "),
       fmt::join(shape, ", "));
}

void PackedMatrix::check_shapes(const PackedScheme& scheme) {
  const bool by_row = packer_ == Packer::compressed_tensors;
  if (scales_->shape.size() != 2 || scales_->shape[by_row ? 1 : 0] < 1) {
    fail(ErrorKind::format, "tensor '{}' has shape [{}], expected a matrix", scales_->name,
         fmt::join(scales_->shape, ", "));
  }
  n_groups_ = static_cast<std::size_t>(scales_->shape[by_row ? 1 : 0]);
  if (scheme.group > 0) {
    const auto group = static_cast<std::size_t>(scheme.group);
    n_groups_ = (columns_ + group - 1) / group;
  }
  const std::int64_t rows = dim(rows_), groups = dim(n_groups_);
  expect_shape(*scales_, by_row ? Shape{rows, groups} : Shape{groups, rows});
  if (by_row) expect_shape(*codes_, {rows, dim(up(columns_))});
  if (!by_row) expect_shape(*zeros_, {groups, dim(up(rows_))});
  const bool bytes = by_row && zeros_ && zeros_->type == TensorType::i8;
  if (by_row && zeros_) expect_shape(*zeros_, {bytes ? rows : dim(up(rows_)), groups});
  for (const StoredTensor* tensor : {codes_, bytes ? nullptr : zeros_, index_}) {
    if (tensor == nullptr || tensor->type == TensorType::i32) continue;
    fail(ErrorKind::format, "tensor '{}' is {}, expected i32", tensor->name,
         info(tensor->type).name);
  }
  const TensorType type = scales_->type;
  if (type != TensorType::f16 && type != TensorType::bf16 && type != TensorType::f32) {
    fail(ErrorKind::format, "tensor '{}' is {}, expected f16, bf16 or f32", scales_->name,
         info(type).name);
  }
}

void PackedMatrix::read_groups(const PackedScheme& scheme) {
  std::size_t group = static_cast<std::size_t>(scheme.group);
  if (group == 0) {
    if (columns_ % n_groups_ != 0) {
      fail(ErrorKind::format, "tensor '{}' has {} groups for {} columns", scales_->name, n_groups_,
           columns_);
    }
    group = columns_ / n_groups_;
  }
  group_of_.resize(columns_);
  for (std::size_t c = 0; c < columns_; ++c) group_of_[c] = static_cast<std::uint32_t>(c / group);
  if (index_ != nullptr) read_group_index();
  whole_blocks_ = columns_ % kBlock == 0;
  for (std::size_t c = 0; c < columns_; ++c) {
    whole_blocks_ = whole_blocks_ && group_of_[c] == group_of_[c / kBlock * kBlock];
  }
  for (std::size_t row = 0; row < rows_; ++row) {
    for (std::size_t g = 0; g < n_groups_; ++g) {
      const float scale = group_scale(row, g).scale;
      if (std::isfinite(scale)) continue;
      fail(ErrorKind::numeric, "tensor '{}' has {} for row {}, group {}", scales_->name, scale, row,
           g);
    }
  }
}

// Columns in an order of their own ("desc_act").
void PackedMatrix::read_group_index() {
  expect_shape(*index_, {dim(columns_)});
  constexpr std::uint32_t kUnset = 0xffffffffu;  // compressed-tensors: the order was not used
  if (packer_ == Packer::compressed_tensors && word(*index_, 0) == kUnset) return;
  for (std::size_t c = 0; c < columns_; ++c) {
    group_of_[c] = word(*index_, c);
    if (group_of_[c] < n_groups_) continue;
    fail(ErrorKind::format, "tensor '{}' names group {} for column {}; there are {}", index_->name,
         static_cast<std::int32_t>(group_of_[c]), c, n_groups_);
  }
}

LatticeScale PackedMatrix::group_scale(std::size_t row, std::size_t group) const {
  const std::size_t by_group = group * rows_ + row, by_row = row * n_groups_ + group;
  switch (packer_) {
    case Packer::gptq: {
      const int zero = nibble(word(*zeros_, group * up(rows_) + row / kCodes), row % kCodes);
      return {number(*scales_, by_group), (zero + zero_offset_) & kMaxCode};
    }
    case Packer::awq:
      return {number(*scales_, by_group),
              awq_nibble(word(*zeros_, group * up(rows_) + row / kCodes), row % kCodes)};
    case Packer::compressed_tensors:
      break;
  }
  int zero = 8;
  if (zeros_ && zeros_->type == TensorType::i8) {
    zero += static_cast<std::int8_t>(zeros_->bytes[by_row]);
  } else if (zeros_) {
    zero = nibble(word(*zeros_, row / kCodes * n_groups_ + group), row % kCodes);
  }
  return {number(*scales_, by_row), zero};
}

std::uint8_t PackedMatrix::code(std::size_t row, std::size_t column) const {
  int found = 0;
  if (packer_ == Packer::gptq) {
    found = nibble(word(*codes_, column / kCodes * rows_ + row), column % kCodes);
  } else if (packer_ == Packer::awq) {
    found = awq_nibble(word(*codes_, column * up(rows_) + row / kCodes), row % kCodes);
  } else {
    found = nibble(word(*codes_, row * up(columns_) + column / kCodes), column % kCodes);
  }
  return static_cast<std::uint8_t>(found);
}

TensorType PackedMatrix::exact_type() const {
  if (whole_blocks_) {
    for (const TensorType type : kExact) {
      if (every_row_fits(type)) return type;
    }
  }
  return fits_f16() ? TensorType::f16 : TensorType::f32;
}

bool PackedMatrix::every_row_fits(TensorType type) const {
  std::vector<LatticeScale> blocks(columns_ / kBlock);
  for (std::size_t row = 0; row < rows_; ++row) {
    row_blocks(row, blocks);
    if (!lattice_fits(type, blocks, kMaxCode)) return false;
  }
  return true;
}

bool PackedMatrix::fits_f16() const {
  for (std::size_t row = 0; row < rows_; ++row) {
    for (std::size_t g = 0; g < n_groups_; ++g) {
      const LatticeScale block = group_scale(row, g);
      for (int code = 0; code <= kMaxCode; ++code) {
        const float value = block.scale * static_cast<float>(code - block.zero);
        if (round_to_f16(value) != value) return false;
      }
    }
  }
  return true;
}

void PackedMatrix::row_blocks(std::size_t row, std::span<LatticeScale> blocks) const {
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::uint32_t group = group_of_[i * kBlock];
    blocks[i] =
        i > 0 && group == group_of_[(i - 1) * kBlock] ? blocks[i - 1] : group_scale(row, group);
  }
}

void PackedMatrix::row_codes(std::size_t row, std::span<std::uint8_t> codes) const {
  for (std::size_t c = 0; c < columns_; ++c) codes[c] = code(row, c);
}

void PackedMatrix::row_floats(std::size_t row, std::span<float> weights) const {
  std::vector<LatticeScale> groups(n_groups_);
  for (std::size_t g = 0; g < n_groups_; ++g) groups[g] = group_scale(row, g);
  for (std::size_t c = 0; c < columns_; ++c) {
    const LatticeScale& group = groups[group_of_[c]];
    weights[c] = group.scale * static_cast<float>(code(row, c) - group.zero);
  }
}

std::vector<std::byte> PackedMatrix::unpack() const {
  const std::size_t size = row_bytes(stored_.type, dim(columns_));
  std::vector<std::byte> bytes(rows_ * size);
  std::vector<LatticeScale> blocks(is_quantized(stored_.type) ? columns_ / kBlock : 0);
  std::vector<std::uint8_t> codes(columns_);
  std::vector<float> weights(columns_);
  for (std::size_t row = 0; row < rows_; ++row) {
    const auto to = std::span(bytes).subspan(row * size, size);
    if (is_quantized(stored_.type)) {
      row_blocks(row, blocks);
      row_codes(row, codes);
      encode_lattice(stored_.type, blocks, codes, kMaxCode, to);
    } else {
      row_floats(row, weights);
      encode_row(stored_.type, weights, to);
    }
  }
  return bytes;
}

std::string PackedMatrix::why() const {
  if (stored_.type == TensorType::q4_0) return {};
  if (!whole_blocks_) return "32 neighbours do not share a scale (act order, or small groups)";
  if (is_quantized(stored_.type)) return "zero points are not 8";
  return "scales are no binary16 values";
}

}  // namespace limbeck
