#include "limbeck/distill/ops.h"

#include <torch/csrc/autograd/functions/utils.h>

namespace limbeck::distill {
namespace {

class FunctionNode : public torch::autograd::Node {
 public:
  explicit FunctionNode(Backward backward) : backward_(std::move(backward)) {}
  Gradients apply(Gradients&& of_outputs) override { return backward_(of_outputs); }
  void release_variables() override { backward_ = nullptr; }

 private:
  Backward backward_;
};

LIMBECK_CLONES void add_kernel(float* to, const Bf16* from, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] += load(from[i]);
}

// The columns [begin, end) of each row, in the order of tokens: every thread owns its columns.
LIMBECK_CLONES void scatter_add_kernel(float* to, const float* from, const std::int64_t* tokens,
                                       std::int64_t n, std::int64_t width, float scale,
                                       std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = 0; r < n; ++r) {
    float* row = to + tokens[r] * width;
    for (std::int64_t i = begin; i < end; ++i) row[i] += from[r * width + i] * scale;
  }
}

}  // namespace

void differentiable(Gradients outputs, const Gradients& inputs, Backward backward) {
  if (!torch::autograd::GradMode::is_enabled()) return;
  if (!std::any_of(inputs.begin(), inputs.end(),
                   [](const at::Tensor& x) { return x.defined() && x.requires_grad(); })) {
    return;
  }
  auto node = std::make_shared<FunctionNode>(std::move(backward));
  node->set_next_edges(torch::autograd::collect_next_edges(inputs));
  torch::autograd::set_history(outputs, node);
}

void accumulate(const Parameter& parameter, const at::Tensor& gradient) {
  if (!parameter.grad.defined()) return;
  at::NoGradGuard no_grad;
  const auto to = parameter.grad.view(gradient.sizes());
  if (!on_cpu(to) || to.scalar_type() != at::kFloat || gradient.scalar_type() != at::kBFloat16 ||
      !gradient.is_contiguous()) {
    to.add_(gradient);
    return;
  }
  at::parallel_for(0, to.numel(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
    add_kernel(elements<float>(to) + begin, elements<Bf16>(gradient) + begin, end - begin);
  });
}

at::Tensor linear(const at::Tensor& input, const Parameter& weight, const Parameter& bias) {
  const auto type = weight.compute.scalar_type();
  const auto x = input.detach().to(type);
  at::Tensor out;
  {
    at::NoGradGuard no_grad;
    out = at::linear(x, weight.compute, bias.defined() ? bias.compute : at::Tensor());
  }
  differentiable({out}, {input}, [weight, bias, x](const Gradients& g) {
    const auto dy = g[0].contiguous();
    if (weight.grad.defined()) accumulate(weight, at::mm(dy.t(), x));
    if (bias.defined() && bias.grad.defined()) {
      accumulate(bias, at::sum(dy, {0}, false, bias.grad.scalar_type()));
    }
    return Gradients{at::mm(dy, weight.compute)};
  });
  return out;
}

at::Tensor embed(const at::Tensor& tokens, const Parameter& weight, double scale) {
  at::Tensor out;
  {
    at::NoGradGuard no_grad;
    out = at::index_select(weight.value, 0, tokens);
    if (out.scalar_type() == at::kBFloat16) out = out.to(at::kFloat);  // a frozen, narrow table
    if (scale != 1) out.mul_(scale);
  }
  // The embedding is where the graph begins: a stand-in input makes the rest record gradients.
  const auto anchor = at::zeros({0}, out.options()).requires_grad_();
  differentiable({out}, {anchor}, [weight, tokens, scale](const Gradients& g) {
    if (!weight.grad.defined()) return Gradients{at::Tensor()};
    const auto dy = g[0].contiguous();
    if (on_cpu(dy) && dy.scalar_type() == at::kFloat) {
      const auto width = dy.size(1);
      at::parallel_for(0, width, 64, [&](std::int64_t begin, std::int64_t end) {
        scatter_add_kernel(elements<float>(weight.grad), elements<float>(dy),
                           elements<std::int64_t>(tokens), dy.size(0), width,
                           static_cast<float>(scale), begin, end);
      });
    } else {
      weight.grad.view({-1, dy.size(1)}).index_add_(0, tokens, dy * scale);
    }
    return Gradients{at::Tensor()};
  });
  return out;
}

at::Tensor select_rows(const at::Tensor& x, const at::Tensor& index) {
  at::Tensor out;
  {
    at::NoGradGuard no_grad;
    out = at::index_select(x, 0, index);
  }
  const auto rows = x.size(0);
  differentiable({out}, {x}, [index, rows](const Gradients& g) {
    auto dx = at::zeros({rows, g[0].size(1)}, g[0].options());
    dx.index_copy_(0, index, g[0]);
    return Gradients{dx};
  });
  return out;
}

Gradients recomputed(const std::function<Gradients(const Gradients& inputs)>& f,
                     const Gradients& inputs) {
  if (!torch::autograd::GradMode::is_enabled()) return f(inputs);
  Gradients kept, outputs;
  for (const auto& input : inputs) kept.push_back(input.detach());
  {
    at::NoGradGuard no_grad;
    outputs = f(kept);
    for (auto& out : outputs) out = out.detach();
  }
  differentiable(outputs, inputs, [f, kept](const Gradients& of_outputs) {
    at::AutoGradMode on(true);
    Gradients leaves, used, gradients, result;
    for (const auto& input : kept) leaves.push_back(input.detach().requires_grad_());
    const auto again = f(leaves);
    for (std::size_t i = 0; i < again.size(); ++i) {
      if (!of_outputs[i].defined()) continue;
      used.push_back(again[i]);
      gradients.push_back(of_outputs[i]);
    }
    torch::autograd::backward(used, gradients);
    for (const auto& leaf : leaves) result.push_back(leaf.grad());
    return result;
  });
  return outputs;
}

std::int64_t Packing::longest() const {
  std::int64_t most = 0;
  for (std::int64_t r = 0; r < rows(); ++r) most = std::max(most, length(r));
  return most;
}

}  // namespace limbeck::distill
