// The 4-bit matrices of a folder that GPTQ, AWQ or compressed-tensors wrote, each as one tensor
// "X.weight" of the smallest type of ours that holds it exactly.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "limbeck/codec/lattice.h"
#include "limbeck/format/stored_tensor.h"
#include "limbeck/model/packed_scheme.h"

namespace limbeck {

// The folder's tensor of a name; nullptr if there is none.
using FindTensor = std::function<const StoredTensor*(std::string_view name)>;

// One matrix. Its parts are tensors of the folder, which must outlive it.
class PackedMatrix {
 public:
  // `prefix` names the module ("model.layers.0.mlp.up_proj"). Throws Error{format} naming tensor
  // and shapes that do not belong together, or a group index out of range; Error{numeric} on a
  // scale that is no number.
  PackedMatrix(const FindTensor& find, const PackedScheme& scheme, const std::string& prefix);

  // Name "X.weight", shape [out, in] and the type of `unpack`; no bytes.
  const StoredTensor& stored() const noexcept { return stored_; }
  std::vector<std::byte> unpack() const;  // rows of stored().type
  std::string why() const;                // why it is not Q4_0; empty if it is

 private:
  LatticeScale group_scale(std::size_t row, std::size_t group) const;
  std::uint8_t code(std::size_t row, std::size_t column) const;
  void check_shapes(const PackedScheme& scheme);
  void read_groups(const PackedScheme& scheme);
  void read_group_index();
  TensorType exact_type() const;
  bool every_row_fits(TensorType type) const;
  bool fits_f16() const;
  void row_blocks(std::size_t row, std::span<LatticeScale> blocks) const;
  void row_codes(std::size_t row, std::span<std::uint8_t> codes) const;
  void row_floats(std::size_t row, std::span<float> weights) const;

  const StoredTensor& part(const FindTensor& find, std::string_view suffix) const;
  void find_compressed(const FindTensor& find);
  void find_transposed(const FindTensor& find);
  void expect_shape(const StoredTensor& tensor, const Shape& shape) const;

  std::string prefix_;
  Packer packer_;
  int zero_offset_ = 0;
  StoredTensor stored_;
  std::size_t rows_ = 0, columns_ = 0, n_groups_ = 0;
  const StoredTensor *codes_ = nullptr, *scales_ = nullptr, *zeros_ = nullptr, *index_ = nullptr;
  std::vector<std::uint32_t> group_of_;  // [columns]
  bool whole_blocks_ = false;            // no 32 neighbours are of two groups
};

class PackedWeights {
 public:
  PackedWeights(std::span<const StoredTensor> tensors, const FindTensor& find,
                const PackedScheme& scheme);

  const PackedMatrix* find(std::string_view name) const;  // "X.weight"; nullptr if there is none
  std::string matrix_of(std::string_view part) const;     // "X.weight"; empty if it is no part
  std::vector<std::string> notes() const;                 // which types, and why not Q4_0

 private:
  Packer packer_;
  std::unordered_map<std::string, std::unique_ptr<PackedMatrix>> matrices_;
};

}  // namespace limbeck
