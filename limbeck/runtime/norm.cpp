#include "limbeck/runtime/norm.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace limbeck {
namespace {

void layer_norm(const Norm& norm, double epsilon, std::span<const float> x,
                std::span<float> out) noexcept {
  const auto n = static_cast<double>(x.size());
  double mean = 0, variance = 0;
  for (const float value : x) mean += value;
  mean /= n;
  for (const float value : x) variance += (value - mean) * (value - mean);
  const double inverse = 1 / std::sqrt(variance / n + epsilon);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto scaled = static_cast<float>((x[i] - mean) * inverse) * norm.weight[i];
    out[i] = norm.bias.empty() ? scaled : scaled + norm.bias[i];
  }
}

}  // namespace

void apply_norm(const KernelTable& kernels, const Norm& norm, NormKind kind, double epsilon,
                std::span<const float> x, std::span<float> out) noexcept {
  if (norm.weight.empty()) {
    if (out.data() != x.data()) std::ranges::copy(x, out.begin());
    return;
  }
  if (kind == NormKind::layer) return layer_norm(norm, epsilon, x, out);
  const double mean = kernels.sum_of_squares(x.data(), x.size()) / static_cast<double>(x.size());
  const auto inverse = static_cast<float>(1 / std::sqrt(mean + epsilon));
  const float* weight = norm.weight.data();
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = x[i] * inverse * weight[i];
  if (norm.bias.empty()) return;
  for (std::size_t i = 0; i < x.size(); ++i) out[i] += norm.bias[i];
}

Rotation rotation_at(const RopeTable& table, std::size_t position) {
  Rotation rotation;
  for (const double frequency : table.frequencies) {
    const double angle = static_cast<double>(position) * frequency;
    rotation.cos.push_back(static_cast<float>(std::cos(angle) * table.magnitude));
    rotation.sin.push_back(static_cast<float>(std::sin(angle) * table.magnitude));
  }
  return rotation;
}

void rotate(const Rotation& rotation, RopeStyle style, std::span<float> heads,
            std::size_t head_dim) noexcept {
  const std::size_t pairs = rotation.cos.size();
  const std::size_t step = style == RopeStyle::half ? 1 : 2;
  const std::size_t apart = style == RopeStyle::half ? pairs : 1;
  for (float* head = heads.data(); head < heads.data() + heads.size(); head += head_dim) {
    for (std::size_t i = 0; i < pairs; ++i) {
      float &a = head[i * step], &b = head[i * step + apart];
      const float x = a, y = b;
      a = x * rotation.cos[i] - y * rotation.sin[i];
      b = x * rotation.sin[i] + y * rotation.cos[i];
    }
  }
}

void activate(const KernelTable& kernels, Activation activation, std::span<float> gate,
              std::span<const float> up) noexcept {
  switch (activation) {
    case Activation::silu:
      return kernels.silu(gate.data(), up.data(), gate.size());
    case Activation::gelu_tanh:
      return kernels.gelu_tanh(gate.data(), up.data(), gate.size());
    case Activation::gelu:
      for (std::size_t i = 0; i < gate.size(); ++i) {
        const float x = gate[i];
        const float y = 0.5f * x * (1 + std::erf(x * std::numbers::sqrt2_v<float> / 2));
        gate[i] = up.empty() ? y : y * up[i];
      }
  }
}

}  // namespace limbeck
