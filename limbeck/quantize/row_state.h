// The rows that one task of the solver works on: weights, their rounded values and the gradient of
// the quadratic form, kept in step.
#pragma once

#include <span>
#include <vector>

#include "limbeck/codec/grid_format.h"
#include "limbeck/quantize/hessian.h"

namespace limbeck {

// A few rows at once, so that a row of H serves them all while it is in the cache.
class RowState {
 public:
  // weights [rows, n]; everything referred to must outlive this.
  RowState(const GridFormat& format, const SolverMatrices& matrices,
           std::span<const float> weights);

  std::size_t rows() const noexcept { return rows_; }
  std::size_t n_blocks() const noexcept { return n_ / size_; }

  // Plain rounding with an importance of diag H.
  void round_plainly();
  // Error feedback, column by column (step 1 of grid_solver.h).
  void round_with_feedback();

  // g = H (q - w) from scratch.
  void compute_gradient();
  // One pass of coordinate descent over the codes. Returns the number of codes that changed.
  std::size_t descend_codes();
  // d and dmin of each block by least squares, kept where rounding to binary16 leaves a gain.
  void refit_block_scales();
  // Steps of the sub-scales and sub-mins of each group that lower the form.
  void refit_group_scales();

  // (q - w) H (q - w)^T of a row, by the gradient as it stands.
  double loss(std::size_t row) const;
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
  const SolverMatrices& m_;
  std::span<const float> w_;
  std::size_t n_, rows_, size_, group_;
  std::vector<UnpackedBlock> blocks_;  // [rows, n / size]
  std::vector<float> q_, g_;           // [rows, n]
};

}  // namespace limbeck
