// Rows on the grids of the block formats with codes of their own for each weight (grid_format.h).
#pragma once

#include "limbeck/codec/grid_format.h"
#include "limbeck/quantize/row_form.h"

namespace limbeck {

class RowState : public RowForm {
 public:
  RowState(const GridFormat& format, const SolverMatrices& matrices,
           std::span<const float> weights);

  std::size_t n_blocks() const noexcept { return n_ / size_; }

  // Plain rounding with an importance of diag H.
  void round_plainly();
  // Error feedback, column by column (step 1 of grid_solver.h).
  void round_with_feedback();

  // One pass of coordinate descent over the codes. Returns the number of codes that changed.
  std::size_t descend_codes();
  // d and dmin of each block by least squares, kept where rounding to binary16 leaves a gain.
  void refit_block_scales();
  // Steps of the sub-scales and sub-mins of each group that lower the form.
  void refit_group_scales();

  void store(std::size_t row, std::span<std::byte> bytes) const;
  // Takes over a row of another state of the same shape.
  void take_row(const RowState& other, std::size_t row);

 private:
  UnpackedBlock& block(std::size_t row, std::size_t b) { return blocks_[row * n_blocks() + b]; }
  void choose_scales(std::size_t row, std::size_t b, const float* weights, const float* importance);
  int nearest_code(float d, float min, float weight) const noexcept;
  float value(const UnpackedBlock& block, std::size_t i) const noexcept;
  void refresh_values(std::size_t row, std::size_t b);
  void step_group(std::size_t row, std::size_t b, std::size_t group, bool of_min);

  const GridFormat& format_;
  std::size_t size_, group_;
  std::vector<UnpackedBlock> blocks_;  // [rows, n / size]
};

}  // namespace limbeck
