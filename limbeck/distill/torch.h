// libtorch, and what differs between 1.13 (Debian 12) and 2.x.
#pragma once

#include <torch/torch.h>

#include <functional>

#include "limbeck/distill/simd.h"

namespace limbeck::distill {

// The elements of a contiguous CPU tensor as the vector code sees them.
template <typename T>
T* elements(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

// Calls f with a value of the element type of `tensor`: float, Bf16 or double.
template <typename F>
void by_type(const at::Tensor& tensor, F&& f) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return f(float{});
    case at::kDouble:
      return f(double{});
    case at::kBFloat16:
      return f(Bf16{});
    default:
      TORCH_CHECK(false, "unexpected element type ", tensor.scalar_type());
  }
}

// Makes `outputs` the results of an operation on `inputs` whose gradient `backward` computes: it
// gets the outputs' gradients (undefined where an output was not used) and gives the inputs'.
// Nothing is recorded where no input needs a gradient. `backward` must hold detached tensors only.
using Gradients = torch::autograd::variable_list;
using Backward = std::function<Gradients(const Gradients& of_outputs)>;
void differentiable(Gradients outputs, const Gradients& inputs, Backward backward);

// Do the vector kernels serve this tensor? Else the same is built from torch operations (GPU).
inline bool on_cpu(const at::Tensor& tensor) { return tensor.device().is_cpu(); }

}  // namespace limbeck::distill
