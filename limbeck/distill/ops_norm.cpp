// RMS and layer norm, alone and fused with the residual addition before them.
#include "limbeck/distill/ops.h"

namespace limbeck::distill {
namespace {

constexpr std::int64_t kGrain = 64;  // rows a task: fixed, so that sums do not depend on threads

struct NormArgs {
  std::int64_t width;
  float epsilon, plus;  // plus: what is added to the weight
  bool centred;         // layer norm
  const float *weight, *bias;
};

// sum = h + y when y is given (sum may be h's own buffer otherwise); out = norm(sum).
template <typename X, typename Y, typename Out>
LIMBECK_INLINE void forward_rows(const NormArgs& a, const X* x, const Y* y, float* sum, Out* out,
                                 float* mean, float* inverse, std::int64_t begin,
                                 std::int64_t end) {
  const auto w = a.width;
  for (std::int64_t r = begin; r < end; ++r) {
    const X* xr = x + r * w;
    const Y* yr = y ? y + r * w : nullptr;
    float* sr = sum ? sum + r * w : nullptr;
    float m = 0, square = 0;
    if (sr) {
      for (std::int64_t i = 0; i < w; ++i) sr[i] = load(xr[i]) + load(yr[i]);
    }
    if (a.centred) {
#pragma omp simd reduction(+ : m)
      for (std::int64_t i = 0; i < w; ++i) m += sr ? sr[i] : load(xr[i]);
      m /= static_cast<float>(w);
    }
#pragma omp simd reduction(+ : square)
    for (std::int64_t i = 0; i < w; ++i) {
      const float d = (sr ? sr[i] : load(xr[i])) - m;
      square += d * d;
    }
    const float inv = 1.0f / std::sqrt(square / static_cast<float>(w) + a.epsilon);
    for (std::int64_t i = 0; i < w; ++i) {
      const float d = ((sr ? sr[i] : load(xr[i])) - m) * inv;
      store(out[r * w + i], d * (a.weight[i] + a.plus) + (a.bias ? a.bias[i] : 0.0f));
    }
    mean[r] = m;
    inverse[r] = inv;
  }
}

// dx = gradient through the norm (+ extra); dw, db [width] sums of these rows.
template <typename X, typename G, typename Dx>
LIMBECK_INLINE void backward_rows(const NormArgs& a, const X* x, const G* g, const float* extra,
                                  const float* mean, const float* inverse, float* dx, Dx* dy,
                                  float* dw, float* db, std::int64_t begin, std::int64_t end) {
  const auto w = a.width;
  for (std::int64_t r = begin; r < end; ++r) {
    const X* xr = x + r * w;
    const G* gr = g + r * w;
    const float m = mean[r], inv = inverse[r];
    float dot = 0, sum = 0;
#pragma omp simd reduction(+ : dot, sum)
    for (std::int64_t i = 0; i < w; ++i) {
      const float gi = load(gr[i]), n = (load(xr[i]) - m) * inv;
      const float gw = gi * (a.weight[i] + a.plus);
      dw[i] += gi * n;
      dot += gw * n;
      sum += gw;
    }
    if (a.centred) {
      for (std::int64_t i = 0; i < w; ++i) db[i] += load(gr[i]);
    }
    dot /= static_cast<float>(w);
    sum = a.centred ? sum / static_cast<float>(w) : 0.0f;
    for (std::int64_t i = 0; i < w; ++i) {
      const float gw = load(gr[i]) * (a.weight[i] + a.plus), n = (load(xr[i]) - m) * inv;
      const float d = inv * (gw - sum - n * dot) + (extra ? extra[r * w + i] : 0.0f);
      if (dx) dx[r * w + i] = d;
      if (dy) store(dy[r * w + i], d);
    }
  }
}

// The type combinations that occur, each compiled for every instruction set.
#define LIMBECK_NORM_FORWARD(X, Y, Out)                                                         \
  LIMBECK_CLONES void forward_kernel(const NormArgs& a, const X* x, const Y* y, float* sum,     \
                                     Out* out, float* mean, float* inverse, std::int64_t begin, \
                                     std::int64_t end) {                                        \
    forward_rows(a, x, y, sum, out, mean, inverse, begin, end);                                 \
  }
LIMBECK_NORM_FORWARD(float, float, float)
LIMBECK_NORM_FORWARD(float, float, Bf16)
LIMBECK_NORM_FORWARD(float, Bf16, float)
LIMBECK_NORM_FORWARD(float, Bf16, Bf16)
LIMBECK_NORM_FORWARD(Bf16, float, float)
LIMBECK_NORM_FORWARD(Bf16, float, Bf16)
LIMBECK_NORM_FORWARD(Bf16, Bf16, float)
LIMBECK_NORM_FORWARD(Bf16, Bf16, Bf16)

#define LIMBECK_NORM_BACKWARD(X, G, Dx)                                                            \
  LIMBECK_CLONES void backward_kernel(const NormArgs& a, const X* x, const G* g,                   \
                                      const float* extra, const float* mean, const float* inverse, \
                                      float* dx, Dx* dy, float* dw, float* db, std::int64_t begin, \
                                      std::int64_t end) {                                          \
    backward_rows(a, x, g, extra, mean, inverse, dx, dy, dw, db, begin, end);                      \
  }
LIMBECK_NORM_BACKWARD(float, float, float)
LIMBECK_NORM_BACKWARD(float, float, Bf16)
LIMBECK_NORM_BACKWARD(float, Bf16, float)
LIMBECK_NORM_BACKWARD(float, Bf16, Bf16)
LIMBECK_NORM_BACKWARD(Bf16, float, float)
LIMBECK_NORM_BACKWARD(Bf16, float, Bf16)
LIMBECK_NORM_BACKWARD(Bf16, Bf16, float)
LIMBECK_NORM_BACKWARD(Bf16, Bf16, Bf16)

template <typename F>
void by_float_type(const at::Tensor& tensor, F&& f) {
  tensor.scalar_type() == at::kBFloat16 ? f(Bf16{}) : f(float{});
}

struct State {
  Parameter weight, bias;
  NormSpec spec;
  at::Tensor mean, inverse;  // [rows] float32
};

NormArgs arguments(const State& s) {
  return {s.weight.value.numel(),
          static_cast<float>(s.spec.epsilon),
          s.spec.kind == NormKind::rms_plus_one ? 1.0f : 0.0f,
          s.spec.kind == NormKind::layer,
          elements<float>(s.weight.value),
          s.bias.defined() ? elements<float>(s.bias.value) : nullptr};
}

// norm(x), or norm(x + y) with x + y written to `sum`.
at::Tensor run_forward(State& state, const at::Tensor& x, const at::Tensor& y,
                       const at::Tensor& sum, at::ScalarType type) {
  const auto a = arguments(state);
  const auto rows = x.numel() / a.width;
  state.mean = at::empty({rows}, x.options().dtype(at::kFloat));
  state.inverse = at::empty_like(state.mean);
  auto out = at::empty(x.sizes(), x.options().dtype(type));
  by_float_type(x, [&]<typename X>(X) {
    by_float_type(y.defined() ? y : x, [&]<typename Y>(Y) {
      by_float_type(out, [&]<typename Out>(Out) {
        at::parallel_for(0, rows, kGrain, [&](std::int64_t begin, std::int64_t end) {
          forward_kernel(a, elements<X>(x), y.defined() ? elements<Y>(y) : nullptr,
                         sum.defined() ? elements<float>(sum) : nullptr, elements<Out>(out),
                         elements<float>(state.mean), elements<float>(state.inverse), begin, end);
        });
      });
    });
  });
  return out;
}

// The gradient of x in float32 (dx) and in another type (dy), either may be undefined; `extra` is
// added to it.
void run_backward(const State& state, const at::Tensor& x, const at::Tensor& gradient,
                  const at::Tensor& extra, const at::Tensor& dx, const at::Tensor& dy) {
  const auto a = arguments(state);
  const auto rows = x.numel() / a.width, tasks = (rows + kGrain - 1) / kGrain;
  const auto sums = at::zeros({2, tasks, a.width}, x.options().dtype(at::kFloat));
  by_float_type(x, [&]<typename X>(X) {
    by_float_type(gradient, [&]<typename G>(G) {
      by_float_type(dy.defined() ? dy : gradient, [&]<typename Dy>(Dy) {
        at::parallel_for(0, tasks, 1, [&](std::int64_t begin, std::int64_t end) {
          for (auto task = begin; task < end; ++task) {
            backward_kernel(
                a, elements<X>(x), elements<G>(gradient),
                extra.defined() ? elements<float>(extra) : nullptr, elements<float>(state.mean),
                elements<float>(state.inverse), dx.defined() ? elements<float>(dx) : nullptr,
                dy.defined() ? elements<Dy>(dy) : nullptr, elements<float>(sums) + task * a.width,
                elements<float>(sums) + (tasks + task) * a.width, task * kGrain,
                std::min(rows, (task + 1) * kGrain));
          }
        });
      });
    });
  });
  accumulate(state.weight, sums[0].sum(0));
  if (a.centred && state.bias.defined()) accumulate(state.bias, sums[1].sum(0));
}

bool has_kernel(const at::Tensor& x) {
  return on_cpu(x) && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

// The definition, in torch operations; weights' gradients by the same formula as above.
at::Tensor plain_norm(const at::Tensor& x, const Parameter& weight, const Parameter& bias,
                      const NormSpec& spec, at::ScalarType type) {
  const bool centred = spec.kind == NormKind::layer;
  const auto wide = x.to(weight.value.scalar_type());
  const auto d = centred ? wide - wide.mean(-1, true) : wide;
  auto n = d * (d.square().mean(-1, true) + spec.epsilon).rsqrt();
  auto out = at::empty_like(n);
  {
    at::NoGradGuard no_grad;
    const auto w = spec.kind == NormKind::rms_plus_one ? weight.value + 1 : weight.value;
    out = n * w;
    if (bias.defined()) out += bias.value;
  }
  differentiable({out}, {n}, [weight, bias, spec, kept = n.detach()](const Gradients& g) {
    const auto width = weight.value.numel();
    accumulate(weight, (g[0] * kept).reshape({-1, width}).sum(0));
    if (bias.defined()) accumulate(bias, g[0].reshape({-1, width}).sum(0));
    return Gradients{g[0] *
                     (spec.kind == NormKind::rms_plus_one ? weight.value + 1 : weight.value)};
  });
  return out.to(type);
}

}  // namespace

at::Tensor norm(const at::Tensor& input, const Parameter& weight, const Parameter& bias,
                const NormSpec& spec, at::ScalarType type) {
  if (!has_kernel(input)) return plain_norm(input, weight, bias, spec, type);
  at::Tensor out;
  const auto x = input.detach().contiguous();
  State state{weight, bias, spec, {}, {}};
  {
    at::NoGradGuard no_grad;
    out = run_forward(state, x, {}, {}, type);
  }
  differentiable({out}, {input}, [state, x](const Gradients& g) {
    const auto dx = at::empty_like(x);
    const bool wide = x.scalar_type() == at::kFloat;
    run_backward(state, x, g[0].contiguous(), {}, wide ? dx : at::Tensor(),
                 wide ? at::Tensor() : dx);
    return Gradients{dx};
  });
  return out;
}

std::pair<at::Tensor, at::Tensor> add_norm(const at::Tensor& h, const at::Tensor& y,
                                           const Parameter& weight, const Parameter& bias,
                                           const NormSpec& spec, at::ScalarType type) {
  if (!has_kernel(h)) {
    const auto sum = h + y;
    return {sum, plain_norm(sum, weight, bias, spec, type)};
  }
  State state{weight, bias, spec, {}, {}};
  at::Tensor sum, out;
  {
    at::NoGradGuard no_grad;
    sum = at::empty_like(h);
    out = run_forward(state, h.detach().contiguous(), y.detach().contiguous(), sum, type);
  }
  const auto y_type = y.scalar_type();
  differentiable({sum, out}, {h, y}, [state, y_type, kept = sum.detach()](const Gradients& g) {
    if (!g[1].defined()) return Gradients{g[0], g[0].defined() ? g[0].to(y_type) : g[0]};
    const auto dx = at::empty_like(kept);
    const auto dy =
        y_type == at::kFloat ? dx : at::empty(kept.sizes(), kept.options().dtype(y_type));
    run_backward(state, kept, g[1].contiguous(), g[0].defined() ? g[0].contiguous() : at::Tensor(),
                 dx, y_type == at::kFloat ? at::Tensor() : dy);
    return Gradients{dx, dy};
  });
  return {sum, out};
}

}  // namespace limbeck::distill
