#include "limbeck/distill/lora.h"

#include <fmt/format.h>
#include <fmt/ranges.h>  // join, with fmt 10 and later

#include <algorithm>
#include <cmath>
#include <set>

#include "limbeck/base/error.h"
#include "limbeck/base/random.h"
#include "limbeck/distill/lora_targets.h"

namespace limbeck::distill {
namespace {

constexpr std::uint64_t kAdapterStream = 0x6c6f7261;  // apart from the streams of random weights

// "blk.3.attn_q.weight" -> "attn_q"; empty for anything but a layer's matrix.
std::string_view stem(const TensorSpec& spec) {
  const std::string_view name = spec.name;
  if (!name.starts_with("blk.") || !name.ends_with(".weight") || spec.shape.size() != 2) return {};
  const auto dot = name.find('.', 4);
  return name.substr(dot + 1, name.size() - dot - 1 - 7);
}

// What multiplies the same input in one product.
std::string_view group(std::string_view stem) {
  if (stem == "attn_q" || stem == "attn_k" || stem == "attn_v") return "qkv";
  return stem == "ffn_gate" || stem == "ffn_up" ? "ffn_in" : stem;
}

}  // namespace

at::Tensor adapted_linear(const at::Tensor& input, const Parameter& weight, const Parameter& bias,
                          const Adapter& adapter) {
  if (!adapter.defined()) return linear(input, weight, bias);
  const auto x = input.detach().to(weight.compute.scalar_type());
  at::Tensor out, u;
  const auto r = adapter.parts.front().b.compute.size(1);
  {
    at::NoGradGuard no_grad;
    out = at::linear(x, weight.compute, bias.defined() ? bias.compute : at::Tensor());
    u = at::linear(x, adapter.a.compute);  // [n, parts * r]
    for (std::size_t j = 0; j < adapter.parts.size(); ++j) {
      const auto& part = adapter.parts[j];
      const auto own = u.narrow(1, static_cast<std::int64_t>(j) * r, r);
      out.narrow(1, part.offset, part.count).add_(at::linear(own, part.b.compute), adapter.scale);
    }
  }
  differentiable({out}, {input}, [weight, bias, adapter, x, u, r](const Gradients& g) {
    const auto dy = g[0].contiguous();
    if (weight.grad.defined()) accumulate(weight, at::mm(dy.t(), x));
    if (bias.defined() && bias.grad.defined()) {
      accumulate(bias, at::sum(dy, {0}, false, bias.grad.scalar_type()));
    }
    auto du = at::empty_like(u);
    for (std::size_t j = 0; j < adapter.parts.size(); ++j) {
      const auto& part = adapter.parts[j];
      const auto column = static_cast<std::int64_t>(j) * r;
      const auto scaled = dy.narrow(1, part.offset, part.count) * adapter.scale;
      accumulate(part.b, at::mm(scaled.t(), u.narrow(1, column, r)));
      du.narrow(1, column, r).copy_(at::mm(scaled, part.b.compute));
    }
    accumulate(adapter.a, at::mm(du.t(), x));
    return Gradients{at::mm(dy, weight.compute).addmm_(du, adapter.a.compute)};
  });
  return out;
}

Adapters::Adapters(const Architecture& architecture, const LoraOptions& options,
                   const std::vector<TensorSpec>& more, const ParameterOptions& how,
                   std::uint64_t seed)
    : r_(options.r),
      scale_((options.alpha > 0 ? options.alpha : static_cast<double>(options.r)) /
             static_cast<double>(options.r)) {
  std::set<std::string_view> wanted, found;
  for (const auto& name : options.targets) wanted.insert(lora_target(name));
  std::vector<TensorSpec> specs, all_b;
  for (const auto& spec : tensor_specs(architecture)) {
    const auto part = lora_target(stem(spec));
    if (part.empty()) continue;
    found.insert(part);
    if (!wanted.empty() && !wanted.contains(part)) continue;
    const auto layer = spec.name.substr(4, spec.name.find('.', 4) - 4);
    Target target{spec, fmt::format("{}lora.{}/{}.a", kTrainingOnly, layer, group(part)),
                  fmt::format("{}lora.{}/{}.b", kTrainingOnly, layer, part)};
    if (specs.empty() || specs.back().name != target.a) {
      specs.push_back({target.a, {0, spec.shape[1]}});
    }
    target.part = specs.back().shape[0] / r_;
    specs.back().shape[0] += r_;
    all_b.push_back({target.b, {spec.shape[0], r_}});
    targets_.push_back(std::move(target));
  }
  for (const auto& name : wanted) {
    if (!found.contains(name)) {
      fail(ErrorKind::usage, "lora: targets: the model has no {} (it has {})", name,
           fmt::join(found, ", "));
    }
  }
  specs.insert(specs.end(), all_b.begin(), all_b.end());
  specs.insert(specs.end(), more.begin(), more.end());
  parameters_ = std::make_shared<Parameters>(architecture, std::move(specs), how);
  at::NoGradGuard no_grad;
  std::vector<double> numbers;
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    auto a = a_of(targets_[i], parameters_->value);
    Random random(seed, kAdapterStream + i);
    const double most = 1 / std::sqrt(static_cast<double>(a.size(1)));
    numbers.resize(static_cast<std::size_t>(a.numel()));
    for (auto& x : numbers) x = (2 * random.uniform() - 1) * most;
    a.copy_(at::from_blob(numbers.data(), a.sizes(), at::kDouble));
  }
  parameters_->update_compute();
}

const Adapters::Target* Adapters::find(std::string_view weight) const {
  for (const auto& target : targets_) {
    if (target.weight.name == weight) return &target;
  }
  return nullptr;
}

at::Tensor Adapters::a_of(const Target& target, const at::Tensor& flat) const {
  const auto* slot = parameters_->find(target.a);
  return flat.narrow(0, slot->offset, slot->count)
      .view(slot->shape)
      .narrow(0, target.part * r_, r_);
}

Adapter Adapters::get(const Parameters& base, std::span<const std::string_view> neighbours) const {
  Adapter adapter;
  adapter.scale = scale_;
  std::int64_t row = 0;
  for (const auto& name : neighbours) {
    const auto* slot = base.find(name);
    if (!slot) return {};
    if (const Target* target = find(name)) {
      adapter.a = parameters_->get(target->a);
      adapter.parts.push_back({row, slot->shape[0], parameters_->get(target->b)});
    }
    row += slot->shape[0];
  }
  return adapter;
}

at::Tensor Adapters::merged(const Parameters& base, const at::Tensor& flat) const {
  at::NoGradGuard no_grad;
  const auto wide = base.value.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  auto out = base.value.to(wide, /*non_blocking=*/false, /*copy=*/true);
  for (const auto& target : targets_) {
    const auto* slot = base.find(target.weight.name);
    const auto* low = parameters_->find(target.b);
    const auto b = flat.narrow(0, low->offset, low->count).view(low->shape).to(wide);
    out.narrow(0, slot->offset, slot->count)
        .view(slot->shape)
        .addmm_(b, a_of(target, flat).to(wide), 1, scale_);
  }
  return out;
}

}  // namespace limbeck::distill
