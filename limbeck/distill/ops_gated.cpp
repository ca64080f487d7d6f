// act(gate) * up, both halves of one product's output.
#include "limbeck/distill/ops.h"

namespace limbeck::distill {
namespace {

// act(x) and act'(x).
struct Silu {
  LIMBECK_INLINE static void at(float x, float& y, float& slope) {
    const float s = 1.0f / (1.0f + vexp(-x));
    y = x * s;
    slope = s + y * (1.0f - s);
  }
};
struct GeluTanh {  // 0.5 x (1 + tanh(u)) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3)
  LIMBECK_INLINE static void at(float x, float& y, float& slope) {
    const float u = 1.59576912f * (x + 0.044715f * x * x * x);
    const float s = 1.0f / (1.0f + vexp(-u));
    y = x * s;
    slope = s + y * (1.0f - s) * 1.59576912f * (1.0f + 0.134145f * x * x);
  }
};

template <typename Act, typename T>
LIMBECK_INLINE void forward_rows(const T* gate_up, T* out, std::int64_t ffn, std::int64_t begin,
                                 std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    const T *gate = gate_up + r * 2 * ffn, *up = gate + ffn;
#pragma omp simd
    for (std::int64_t i = 0; i < ffn; ++i) {
      float y, slope;
      Act::at(load(gate[i]), y, slope);
      store(out[r * ffn + i], y * load(up[i]));
    }
  }
}

template <typename Act, typename T>
LIMBECK_INLINE void backward_rows(const T* gate_up, const T* gradient, T* d_gate_up,
                                  std::int64_t ffn, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    const T *gate = gate_up + r * 2 * ffn, *up = gate + ffn;
    T *d_gate = d_gate_up + r * 2 * ffn, *d_up = d_gate + ffn;
#pragma omp simd
    for (std::int64_t i = 0; i < ffn; ++i) {
      float y, slope;
      Act::at(load(gate[i]), y, slope);
      const float g = load(gradient[r * ffn + i]);
      store(d_gate[i], g * load(up[i]) * slope);
      store(d_up[i], g * y);
    }
  }
}

#define LIMBECK_GATED(Act, T)                                                                   \
  LIMBECK_CLONES void forward_kernel(Act, const T* gate_up, T* out, std::int64_t ffn,           \
                                     std::int64_t begin, std::int64_t end) {                    \
    forward_rows<Act>(gate_up, out, ffn, begin, end);                                           \
  }                                                                                             \
  LIMBECK_CLONES void backward_kernel(Act, const T* gate_up, const T* gradient, T* d_gate_up,   \
                                      std::int64_t ffn, std::int64_t begin, std::int64_t end) { \
    backward_rows<Act>(gate_up, gradient, d_gate_up, ffn, begin, end);                          \
  }
LIMBECK_GATED(Silu, float)
LIMBECK_GATED(Silu, Bf16)
LIMBECK_GATED(GeluTanh, float)
LIMBECK_GATED(GeluTanh, Bf16)

template <typename Act, typename T>
at::Tensor fused(const at::Tensor& gate_up) {
  const auto x = gate_up.detach().contiguous();
  const auto rows = x.size(0), ffn = x.size(1) / 2;
  at::Tensor out;
  {
    at::NoGradGuard no_grad;
    out = at::empty({rows, ffn}, x.options());
    at::parallel_for(0, rows, 16, [&](std::int64_t begin, std::int64_t end) {
      forward_kernel(Act{}, elements<T>(x), elements<T>(out), ffn, begin, end);
    });
  }
  differentiable({out}, {gate_up}, [x, rows, ffn](const Gradients& g) {
    const auto gradient = g[0].contiguous(), dx = at::empty_like(x);
    at::parallel_for(0, rows, 16, [&](std::int64_t begin, std::int64_t end) {
      backward_kernel(Act{}, elements<T>(x), elements<T>(gradient), elements<T>(dx), ffn, begin,
                      end);
    });
    return Gradients{dx};
  });
  return out;
}

}  // namespace

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::silu:
      return at::silu(x);
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
  }
  return x;
}

at::Tensor gated(const at::Tensor& gate_up, Activation activation) {
  const auto type = gate_up.scalar_type();
  if (on_cpu(gate_up) && activation == Activation::silu) {
    if (type == at::kFloat) return fused<Silu, float>(gate_up);
    if (type == at::kBFloat16) return fused<Silu, Bf16>(gate_up);
  }
  if (on_cpu(gate_up) && activation == Activation::gelu_tanh) {
    if (type == at::kFloat) return fused<GeluTanh, float>(gate_up);
    if (type == at::kBFloat16) return fused<GeluTanh, Bf16>(gate_up);
  }
  const auto halves = gate_up.chunk(2, -1);
  return activate(halves[0], activation) * halves[1];
}

}  // namespace limbeck::distill
