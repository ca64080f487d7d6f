// The block formats that a model's matrices will have in its file, for training on what that file
// holds (quantization-aware training).
#pragma once

#include <vector>

#include "limbeck/distill/parameters.h"
#include "limbeck/model/mixes.h"

namespace limbeck::distill {

class WeightGrid {
 public:
  // The types that `limbeck quantize --type` gives each of the model's tensors. Throws Error{usage}
  // where no row divides into blocks.
  WeightGrid(const Parameters& parameters, const Mix& mix);

  // Each matrix of `from` rounded by its type's own encoder (plain rounding: codec.h) and decoded
  // again; everything else copied. Flat buffers of the parameters' layout, float32, on any device;
  // rows are spread over torch's threads. Throws Error{numeric} naming a tensor whose weights a
  // type cannot hold.
  void round(const at::Tensor& from, const at::Tensor& to) const;

 private:
  struct Matrix {
    std::string name;
    TensorType type;
    std::int64_t offset, rows, columns;
  };
  std::vector<Matrix> matrices_;
};

}  // namespace limbeck::distill
