// Low-rank adapters (LoRA, Hu et al. 2021, 2106.09685): y = W x + (alpha / r) B A x with W frozen.
// What is trained, and what the optimiser keeps moments of, is A and B alone.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "limbeck/distill/parameters.h"
#include "limbeck/distill/trainer.h"

namespace limbeck::distill {

// The adapters of weights that multiply as one: all A as one matrix, B for each part of the rows.
struct Adapter {
  struct Part {
    std::int64_t offset = 0, count = 0;  // rows of the joint weight
    Parameter b;                         // [count, r]
  };
  Parameter a;  // [parts * r, in]
  std::vector<Part> parts;
  double scale = 0;  // alpha / r
  bool defined() const { return !parts.empty(); }
};

// As `linear`, with the adapter's product added; gradients go to A and B (and to weight and bias
// where those have any).
at::Tensor adapted_linear(const at::Tensor& x, const Parameter& weight, const Parameter& bias,
                          const Adapter& adapter);

class Adapters {
 public:
  // A uniform in +-1/sqrt(in) by `seed`, B zero: the model is at first the base itself. `more`:
  // other tensors to be trained beside them. Throws Error{usage} on a target that the model does
  // not have.
  Adapters(const Architecture& architecture, const LoraOptions& options,
           const std::vector<TensorSpec>& more, const ParameterOptions& how, std::uint64_t seed);

  // Of the joint weight whose tensors are `neighbours` ("blk.0.attn_q.weight", ..); undefined if
  // none of them is a target.
  Adapter get(const Parameters& base, std::span<const std::string_view> neighbours) const;

  // The base's flat weights with the adapters of `flat` (laid out as parameters().value) added:
  // float32, or the base's type if that is wider.
  at::Tensor merged(const Parameters& base, const at::Tensor& flat) const;

  const std::shared_ptr<Parameters>& parameters() const { return parameters_; }

 private:
  struct Target {  // a weight that has an adapter
    TensorSpec weight;
    std::string a, b;       // names in parameters_
    std::int64_t part = 0;  // rows [part * r, (part + 1) * r) of A
  };
  const Target* find(std::string_view weight) const;
  at::Tensor a_of(const Target& target, const at::Tensor& flat) const;

  std::vector<Target> targets_;
  std::int64_t r_;
  double scale_;
  std::shared_ptr<Parameters> parameters_;
};

}  // namespace limbeck::distill
