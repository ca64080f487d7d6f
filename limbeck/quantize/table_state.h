// Rows on the formats whose codes are entries of a table (table_format.h): 8 or 4 weights are
// rounded at once, and what they miss together is passed on together. The form of such a group,
// once the columns after it have made up for its errors, is (U U^T)^-1 of its block of the factor
// (block LDLQ; Tseng et al. 2024, arXiv:2402.04396): what its entry and signs minimise.
#pragma once

#include <array>

#include "limbeck/quantize/entry_search.h"
#include "limbeck/quantize/row_form.h"

namespace limbeck {

// What the rows of one tensor share.
struct TableForms {
  TableForms(const TableFormat& format, const SolverMatrices& matrices);

  const TableFormat& format;
  EntrySearch search;
  std::vector<float> late;  // [n / dims][dims * dims]: (U U^T)^-1 of each group
};

class TableState : public RowForm {
 public:
  // weights [rows, n]; everything referred to must outlive this.
  TableState(const TableForms& forms, const SolverMatrices& matrices,
             std::span<const float> weights);

  std::size_t n_blocks() const noexcept { return n_ / kSize; }

  // As in RowState; a code is what 8 or 4 weights share, and the search for a group's scale looks
  // for its codes as well.
  void round_plainly();
  void round_with_feedback();
  std::size_t descend_codes();
  void refit_block_scales();
  void refit_group_scales();
  void store(std::size_t row, std::span<std::byte> bytes) const;
  void take_row(const TableState& other, std::size_t row);

 private:
  static constexpr std::size_t kSize = 256;  // weights of a block
  static constexpr std::size_t kUnit = 8;    // weights that a byte of signs is for

  // How many minus signs the parts of a unit may have: one part of 8 or two of 4.
  using Parities = std::array<Parity, 2>;
  struct Unit;
  struct Window;

  TableBlock& block(std::size_t row, std::size_t b) { return blocks_[row * n_blocks() + b]; }
  std::size_t parts() const noexcept { return kUnit / forms_.format.dims; }
  std::span<const Parities> parities() const noexcept;

  void choose_scales(std::size_t row, std::size_t b, const float* weights, const float* importance);
  Unit round_unit(const float* w, std::size_t column, float step, const Parities& parities) const;
  Unit round_unit(const float* w, std::size_t column, float step) const;

  Window window(std::size_t row, std::size_t b, std::size_t group);
  float search_part(Window& at, std::size_t first, float step, Parity parity) const;
  float search_window(Window& at, float step) const;
  std::size_t put_window(const Window& at, std::size_t row, std::size_t b, std::size_t group);

  const TableForms& forms_;
  std::vector<TableBlock> blocks_;  // [rows, n / 256]
};

}  // namespace limbeck
