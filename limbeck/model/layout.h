// Where a canonical tensor lies in a stored one, and the rearrangements between them: slices of
// fused tensors, transposes, and the row order of rotary heads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/tensor_type.h"
#include "limbeck/model/families.h"

namespace limbeck {

enum class StoredIn : std::uint8_t { safetensors, gguf };

// The stored tensor that holds a canonical one, and how.
struct Placement {
  std::string name;  // of the stored tensor
  Part part = Part::whole;
  bool transposed = false;
  bool per_head = false;  // of q, k, v: each head's rows together
  bool operator==(const Placement&) const = default;
};

// Where the canonical tensor may be, the usual place first: names with and without the prefix of
// base models, fused or not. Empty for a name the family does not have.
std::vector<Placement> placements(const FamilyInfo& info, StoredIn format,
                                  std::string_view canonical);

// The part's rows in its fused tensor, [first, first + count); `rows` is the canonical tensor's
// own number of rows (a bias counts its elements).
struct RowRange {
  std::int64_t first, count;
};
RowRange rows_of(const Architecture& architecture, Part part, std::int64_t rows);
// Rows of the whole stored tensor.
std::int64_t fused_rows(const Architecture& architecture, Part part, std::int64_t rows);
// The part's rows in the order they lie, for per_head placements. Row r of the part is stored row
// index[r].
std::vector<std::int64_t> per_head_rows(const Architecture& architecture, Part part);

// Row r of the result is row index[r] of `rows`, each of `row_bytes` bytes.
std::vector<std::byte> gather_rows(std::span<const std::byte> rows, std::size_t row_bytes,
                                   std::span<const std::int64_t> index);

// The order of the rows of q or k (`heads` heads of `head_dim`) when rope pairs (i, i + d/2)
// become pairs (2i, 2i + 1), or back.
std::vector<std::int64_t> rope_row_order(std::int64_t heads, std::int64_t head_dim, RopeStyle from);

// [rows, columns] -> [columns, rows] of elements of `element_bytes` (1, 2, 4 or 8).
std::vector<std::byte> transpose(std::span<const std::byte> matrix, std::int64_t rows,
                                 std::int64_t columns, std::size_t element_bytes);

}  // namespace limbeck
