// Linear layers: weights in the form the kernels take, and the product with a batch of rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "limbeck/base/thread_pool.h"
#include "limbeck/kernels/kernel_table.h"
#include "limbeck/model/checkpoint.h"

namespace limbeck {

// One weight matrix [rows, columns] and its bias. f32 and f16 stay views of the file; types with a
// panel form are re-laid once into `packed`, memory of the model, or on the fly where that is
// empty.
struct Linear {
  std::string name;  // canonical: "blk.0.attn_q.weight"
  Weight weight;
  std::vector<float> bias;  // [rows] or empty
  const PanelLayout* layout = nullptr;
  std::span<const std::uint8_t> packed;

  std::size_t rows() const noexcept { return static_cast<std::size_t>(weight.rows); }
  std::size_t columns() const noexcept { return static_cast<std::size_t>(weight.columns); }
};

// Throws Error{unsupported} naming the tensor if its type cannot be multiplied.
Linear make_linear(const Checkpoint& checkpoint, const std::string& name);
// Bytes of the matrix's panels; 0: its type has none.
std::size_t packed_bytes(const Linear& linear) noexcept;
// Re-lays the matrix into `to`, packed_bytes long, and lets its pages of the file go.
void repack(Linear& linear, std::span<std::uint8_t> to, ThreadPool& pool);

// What layers multiply beside floats: codes (quantized types with panels), the same in the order of
// types with two scales a block, values rounded to bf16.
struct RowForms {
  bool codes = false, bf16 = false, pairs = false;
  void add(TensorType weights) noexcept;  // what such weights need
};
RowForms forms_of(std::span<const Linear* const> layers) noexcept;

// Rows of activations, as floats and in the forms that layers need. Reused between layers.
class Rows {
 public:
  void resize(std::size_t n, std::size_t columns, const RowForms& forms = {});
  std::size_t n() const noexcept { return n_; }
  std::size_t columns() const noexcept { return columns_; }
  float* row(std::size_t i) noexcept { return floats_.data() + i * columns_; }
  const float* row(std::size_t i) const noexcept { return floats_.data() + i * columns_; }
  std::span<const float> floats() const noexcept { return {floats_.data(), n_ * columns_}; }

  // Makes the forms of row `i`. Different rows may be done by different threads.
  void make_forms(const KernelTable& kernels, std::size_t i) noexcept;
  QuantizedRows codes() const noexcept;
  RoundedRows rounded() const noexcept;
  std::size_t memory_bytes() const noexcept;

 private:
  std::size_t n_tiles() const noexcept { return (n_ + kTileRows - 1) / kTileRows; }
  std::size_t rounded_stride() const noexcept { return (columns_ + 31) / 32 * 32; }

  std::size_t n_ = 0, columns_ = 0;
  RowForms forms_;
  std::vector<float> floats_, rounded_, scales_;
  std::vector<std::int8_t> codes_;
  std::vector<std::int32_t> sums_;
  std::vector<TileLine> tiles_, pair_tiles_;  // of more than kDirectRows rows
  std::vector<RoundedTile> rounded_tiles_;
};

// out[i] = layers[i] x + bias, [x.n, rows]; the layers share their input, whose forms are made
// already. Results depend on neither the number of threads nor the rows beside a row.
void multiply(ThreadPool& pool, const KernelTable& kernels, std::span<const Linear* const> layers,
              const Rows& x, std::span<float* const> out);

}  // namespace limbeck
