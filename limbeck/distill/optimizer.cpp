#include "limbeck/distill/optimizer.h"

#include <cmath>
#include <numbers>

namespace limbeck::distill {
namespace {

constexpr std::int64_t kBlock = 1 << 15;  // weights a task

struct StepNumbers {
  float rate, beta1, beta2, epsilon, gradient_scale, correction1, correction2, decay;
};

LIMBECK_CLONES void adam_kernel(const StepNumbers& s, float* w, float* g, float* m, float* v,
                                Bf16* narrow, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * s.gradient_scale;
    m[i] = s.beta1 * m[i] + (1 - s.beta1) * gradient;
    v[i] = s.beta2 * v[i] + (1 - s.beta2) * gradient * gradient;
    const float update = m[i] * s.correction1 / (std::sqrt(v[i] * s.correction2) + s.epsilon);
    w[i] -= s.rate * (update + s.decay * w[i]);
    g[i] = 0;
  }
  if (!narrow) return;
  for (std::int64_t i = 0; i < n; ++i) store(narrow[i], w[i]);
}

LIMBECK_CLONES double square_kernel(const float* g, std::int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += g[i] * g[i];
  return static_cast<double>(sum);
}

// 1 where weight decay applies.
at::Tensor decay_mask(const Parameters& p) {
  const auto mask = at::zeros_like(p.value);
  for (const auto& slot : p.slots()) {
    if (slot.matrix()) mask.narrow(0, slot.offset, slot.count).fill_(1);
  }
  return mask;
}

}  // namespace

AdamW::AdamW(const Parameters& parameters)
    : first(at::zeros_like(parameters.value)), second(at::zeros_like(parameters.value)) {}

double AdamW::gradient_norm(const Parameters& parameters) {
  at::NoGradGuard no_grad;
  const auto& g = parameters.grad;
  if (!on_cpu(g) || g.scalar_type() != at::kFloat) return g.norm().item<double>();
  const auto n = g.numel(), blocks = (n + kBlock - 1) / kBlock;
  std::vector<double> sums(static_cast<std::size_t>(blocks));
  at::parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto b = begin; b < end; ++b) {
      sums[static_cast<std::size_t>(b)] =
          square_kernel(elements<float>(g) + b * kBlock, std::min(kBlock, n - b * kBlock));
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return std::sqrt(total);
}

void AdamW::step(Parameters& p, const AdamOptions& options, double learning_rate,
                 double gradient_scale, std::int64_t step) {
  at::NoGradGuard no_grad;
  const double t = static_cast<double>(step);
  const double correction1 = 1 / (1 - std::pow(options.beta1, t));
  const double correction2 = 1 / (1 - std::pow(options.beta2, t));
  if (!on_cpu(p.value) || p.value.scalar_type() != at::kFloat) {
    // The whole buffer at once: a GPU is slow at many small operations.
    if (!decays_.defined()) decays_ = decay_mask(p);
    p.grad.mul_(gradient_scale);
    first.mul_(options.beta1).add_(p.grad, 1 - options.beta1);
    second.mul_(options.beta2).addcmul_(p.grad, p.grad, 1 - options.beta2);
    p.value.addcmul_(p.value, decays_, -learning_rate * options.weight_decay);
    p.value.addcdiv_(first * correction1, (second * correction2).sqrt() + options.epsilon,
                     -learning_rate);
    p.grad.zero_();
    if (!p.apart()) p.update_compute();
    return;
  }
  const bool narrows = p.compute.scalar_type() == at::kBFloat16 && !p.apart();
  for (const auto& slot : p.slots()) {
    const StepNumbers numbers{static_cast<float>(learning_rate),
                              static_cast<float>(options.beta1),
                              static_cast<float>(options.beta2),
                              static_cast<float>(options.epsilon),
                              static_cast<float>(gradient_scale),
                              static_cast<float>(correction1),
                              static_cast<float>(correction2),
                              static_cast<float>(slot.matrix() ? options.weight_decay : 0)};
    at::parallel_for(0, slot.count, kBlock, [&](std::int64_t begin, std::int64_t end) {
      const auto at = slot.offset + begin;
      adam_kernel(numbers, elements<float>(p.value) + at, elements<float>(p.grad) + at,
                  elements<float>(first) + at, elements<float>(second) + at,
                  narrows ? elements<Bf16>(p.compute) + at : nullptr, end - begin);
    });
  }
}

double Schedule::at(std::int64_t step, std::int64_t steps) const {
  const double n = static_cast<double>(std::max<std::int64_t>(steps, 1));
  const double ramp = std::floor(warmup * n), s = static_cast<double>(step);
  if (s < ramp) return peak * (s + 1) / ramp;
  const double done = n > ramp ? (s - ramp) / (n - ramp) : 1;
  if (kind == "constant") return peak;
  const double left = kind == "linear" ? 1 - done : 0.5 * (1 + std::cos(std::numbers::pi * done));
  return peak * (final_ratio + (1 - final_ratio) * left);
}

}  // namespace limbeck::distill
