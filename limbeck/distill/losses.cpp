#include "limbeck/distill/losses.h"

#include <algorithm>

#include "limbeck/base/error.h"
#include "limbeck/distill/simd.h"

namespace limbeck::distill {
namespace {

// out = exp(z * k - most), where most is the largest z * k; returns the log of the sum of exp(z k).
template <typename F>
LIMBECK_INLINE F exponentials(const F* z, F k, F* out, std::int64_t n, F& sum) {
  F most = z[0];
#pragma omp simd reduction(max : most)
  for (std::int64_t i = 0; i < n; ++i) most = most > z[i] ? most : z[i];
  const F shift = most * k;
  F total = 0;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < n; ++i) {
    const F e = vexp(z[i] * k - shift);
    out[i] = e;
    total += e;
  }
  sum = total;
  return shift + std::log(total);
}

template <typename F>
LIMBECK_INLINE void scale_all(F* x, F k, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) x[i] *= k;
}

// Value of D(p, q) over the whole vocabulary; e[i] = dD/dq_i up to a constant, so that the
// gradient by the logits is q (e - sum q e). Forward KL writes -p itself: q e without dividing by
// q.
template <typename F>
LIMBECK_INLINE F dense_terms(const LossSpec& spec, const F* z, const F* t, F k, F log_zq, F log_zp,
                             const F* q, const F* p, F* e, std::int64_t n, F& mean) {
  F value = 0, sum = 0;
  switch (spec.kind) {
    case Loss::forward_kl:
#pragma omp simd reduction(+ : value)
      for (std::int64_t i = 0; i < n; ++i) {
        value += p[i] * ((t[i] - z[i]) * k + log_zq - log_zp);
      }
      break;
    case Loss::reverse_kl:
#pragma omp simd reduction(+ : sum)
      for (std::int64_t i = 0; i < n; ++i) {
        const F d = (z[i] - t[i]) * k - log_zq + log_zp;
        e[i] = d;
        sum += q[i] * d;
      }
      value = sum;
      break;
    case Loss::jsd: {
      const F b = static_cast<F>(spec.beta);
#pragma omp simd reduction(+ : value, sum)
      for (std::int64_t i = 0; i < n; ++i) {
        const F log_m = vlog(b * p[i] + (1 - b) * q[i]);
        const F d = (1 - b) * (z[i] * k - log_zq - log_m);
        value += b * p[i] * (t[i] * k - log_zp - log_m) + q[i] * d;
        e[i] = d;
        sum += q[i] * d;
      }
      break;
    }
    case Loss::skew_kl: {
      const F a = static_cast<F>(spec.alpha);
#pragma omp simd reduction(+ : value, sum)
      for (std::int64_t i = 0; i < n; ++i) {
        const F m = a * p[i] + (1 - a) * q[i];
        const F d = -(1 - a) * p[i] / (m + static_cast<F>(1e-37));
        value += p[i] * (t[i] * k - log_zp - vlog(m));
        e[i] = d;
        sum += q[i] * d;
      }
      break;
    }
    case Loss::skew_reverse_kl: {
      const F a = static_cast<F>(spec.alpha);
#pragma omp simd reduction(+ : value, sum)
      for (std::int64_t i = 0; i < n; ++i) {
        const F m = a * q[i] + (1 - a) * p[i];
        const F r = z[i] * k - log_zq - vlog(m);
        const F d = r + 1 - a * q[i] / (m + static_cast<F>(1e-37));
        value += q[i] * r;
        e[i] = d;
        sum += q[i] * d;
      }
      break;
    }
    case Loss::uld:  // not of single positions: cross_tokenizer.h
      break;
  }
  mean = sum;
  return value;
}

struct Term {
  double value, e;
};

// A probability that is 0 in float counts as this: p / q is then still a float.
constexpr double kLeastShare = 1e-37;

// The same for one outcome of a short list, in double. q >= kLeastShare.
Term sparse_term(const LossSpec& spec, double p, double q) {
  const double floored = std::max(p, 1e-8);
  const auto p_log = [&](double m) { return p > 0 ? p * std::log(p / m) : 0.0; };
  switch (spec.kind) {
    case Loss::forward_kl:
      return {p_log(q), -p / q};
    case Loss::reverse_kl:
      return {q * std::log(q / floored), std::log(q / floored)};
    case Loss::jsd: {
      const double b = spec.beta, m = b * floored + (1 - b) * q, d = (1 - b) * std::log(q / m);
      return {b * p_log(m) + q * d, d};
    }
    case Loss::skew_kl: {
      const double a = spec.alpha, m = a * p + (1 - a) * q;
      return {p_log(m), -(1 - a) * p / m};
    }
    case Loss::skew_reverse_kl: {
      const double a = spec.alpha, m = a * q + (1 - a) * floored, r = std::log(q / m);
      return {q * r, r + 1 - a * q / m};
    }
    case Loss::uld:
      break;
  }
  return {0, 0};
}

// g += weight * gradient of the divergence over the listed outcomes and one for all the rest.
template <typename F>
double top_k_loss(const LossSpec& spec, const SoftTarget& soft, F* q, F* g, double weight,
                  std::int64_t n) {
  const auto k = soft.ids.size();
  std::vector<double> listed(k), terms(k);
  double rest_p = 1, value = 0, mean = 0;
  for (std::size_t i = 0; i < k; ++i) {
    auto& at = q[soft.ids[i]];
    listed[i] = std::max(static_cast<double>(at), kLeastShare);
    at = 0;  // the rest is then summed without cancellation
  }
  double rest_q = 0;
  for (std::int64_t i = 0; i < n; ++i) rest_q += static_cast<double>(q[i]);
  for (std::size_t i = 0; i < k; ++i) {
    const double p = std::exp(static_cast<double>(soft.values[i]));
    rest_p -= p;
    const Term term = sparse_term(spec, p, listed[i]);
    value += term.value;
    terms[i] = term.e;
    mean += listed[i] * term.e;
  }
  rest_q = std::max(rest_q, kLeastShare);
  // Where the list names every token, what is left of p is rounding.
  const bool whole = static_cast<std::int64_t>(k) == n;
  const Term rest = whole ? Term{0, 0} : sparse_term(spec, std::max(rest_p, 0.0), rest_q);
  value += rest.value;
  mean += rest_q * rest.e;
  const F factor = static_cast<F>(weight * (rest.e - mean));
  if (!g) return value;
  for (std::int64_t i = 0; i < n; ++i) g[i] += factor * q[i];
  for (std::size_t i = 0; i < k; ++i) {
    g[soft.ids[i]] += static_cast<F>(weight * listed[i] * (terms[i] - mean));
  }
  return value;
}

template <typename F>
double counts_loss(const SoftTarget& soft, const F* q, F* g, double weight, std::int64_t n) {
  double total = 0, value = 0;
  for (const float count : soft.values) total += static_cast<double>(count);
  for (std::size_t i = 0; i < soft.ids.size(); ++i) {
    const double share = static_cast<double>(soft.values[i]) / total;
    if (share <= 0) continue;
    value += share * std::log(share / std::max(static_cast<double>(q[soft.ids[i]]), 1e-300));
    if (g) g[soft.ids[i]] -= static_cast<F>(weight * share);
  }
  if (!g) return value;
  for (std::int64_t i = 0; i < n; ++i) g[i] += static_cast<F>(weight) * q[i];
  return value;
}

template <typename F>
LIMBECK_INLINE void row(const LossSpec& spec, F* z, std::int64_t n, const RowTarget<F>& target,
                        double scale, bool gradient, RowScratch<F>& scratch, LossSums& sums) {
  const bool sparse = target.soft && target.soft->kind != SoftTarget::Kind::none;
  const bool soft = sparse || target.teacher;
  const double w = soft ? spec.soft_weight : 0.0, t = spec.temperature;
  const F k = static_cast<F>(1 / t);
  F* q = scratch.a.data();
  F sum;
  const F label_z = z[target.label];
  const F log_z = exponentials(z, F{1}, q, n, sum);
  const double ce = static_cast<double>(log_z - label_z);
  scale_all(q, 1 / sum, n);

  double divergence = 0;
  const double soft_scale = w * t * scale;  // T^2 of the loss, 1/T of the inner derivative
  if (!soft) {
    if (gradient) {
      const F s = static_cast<F>(scale);
      for (std::int64_t i = 0; i < n; ++i) z[i] = s * q[i];
      z[target.label] -= s;
    }
  } else {
    F* g = gradient ? scratch.b.data() : nullptr;
    const F hard = static_cast<F>((1 - w) * scale);
    if (g) {
      for (std::int64_t i = 0; i < n; ++i) g[i] = hard * q[i];
      g[target.label] -= hard;
    }
    F log_zq = log_z;
    if (t != 1) {
      log_zq = exponentials(z, k, q, n, sum);
      scale_all(q, 1 / sum, n);
    }
    if (target.teacher) {
      F *p = scratch.c.data(), *e = scratch.d.data(), mean;
      const F log_zp = exponentials(target.teacher, k, p, n, sum);
      scale_all(p, 1 / sum, n);
      divergence = static_cast<double>(
          dense_terms(spec, z, target.teacher, k, log_zq, log_zp, q, p, e, n, mean));
      const F s = static_cast<F>(soft_scale);
      if (g && spec.kind == Loss::forward_kl) {
        for (std::int64_t i = 0; i < n; ++i) g[i] += s * (q[i] - p[i]);
      } else if (g) {
        for (std::int64_t i = 0; i < n; ++i) g[i] += s * q[i] * (e[i] - mean);
      }
    } else if (target.soft->kind == SoftTarget::Kind::top_k) {
      divergence = top_k_loss(spec, *target.soft, q, g, soft_scale, n);
    } else {
      divergence = counts_loss(*target.soft, q, g, soft_scale, n);
    }
    divergence *= t * t;
    if (g) std::copy(g, g + n, z);
  }
  sums.total += (1 - w) * ce + w * divergence;
  sums.cross_entropy += ce;
  sums.soft += divergence;
  sums.targets += 1;
  sums.soft_targets += soft;
}

LIMBECK_CLONES void row_float(const LossSpec& spec, float* z, std::int64_t n,
                              const RowTarget<float>& target, double scale, bool gradient,
                              RowScratch<float>& scratch, LossSums& sums) {
  row(spec, z, n, target, scale, gradient, scratch, sums);
}

}  // namespace

void LossSums::add(const LossSums& other) {
  total += other.total;
  cross_entropy += other.cross_entropy;
  soft += other.soft;
  inside += other.inside;
  targets += other.targets;
  soft_targets += other.soft_targets;
}

template <typename F>
RowScratch<F>::RowScratch(std::int64_t vocab) {
  const auto n = static_cast<std::size_t>(vocab);
  for (auto* v : {&a, &b, &c, &d}) v->resize(n);
}
template struct RowScratch<float>;
template struct RowScratch<double>;

void loss_row(const LossSpec& spec, std::span<float> z, const RowTarget<float>& target,
              double scale, bool gradient, RowScratch<float>& scratch, LossSums& sums) {
  row_float(spec, z.data(), static_cast<std::int64_t>(z.size()), target, scale, gradient, scratch,
            sums);
}

void loss_row(const LossSpec& spec, std::span<double> z, const RowTarget<double>& target,
              double scale, bool gradient, RowScratch<double>& scratch, LossSums& sums) {
  row(spec, z.data(), static_cast<std::int64_t>(z.size()), target, scale, gradient, scratch, sums);
}

void check_soft_target(const LossSpec& spec, const SoftTarget& target, std::int64_t vocab) {
  if (target.kind == SoftTarget::Kind::none) return;
  if (spec.kind == Loss::uld) {
    fail(ErrorKind::usage, "loss uld compares with a local teacher, not with stored soft labels");
  }
  if (target.ids.size() != target.values.size() || target.ids.empty()) {
    fail(ErrorKind::usage, "a soft label has {} ids and {} values", target.ids.size(),
         target.values.size());
  }
  for (const TokenId id : target.ids) {
    if (id < 0 || id >= vocab) {
      fail(ErrorKind::usage, "a soft label names token {}, the student's vocabulary has {}", id,
           vocab);
    }
  }
  const bool counts = target.kind == SoftTarget::Kind::counts;
  if (counts && spec.kind != Loss::forward_kl) {
    fail_try(ErrorKind::usage, "use loss forward_kl, or top-k soft labels",
             "sampled soft labels (counts) serve forward KL alone");
  }
  if (!counts && spec.temperature != 1) {
    fail_try(ErrorKind::usage, "set temperature: 1",
             "top-k soft labels are of temperature 1 and the loss asks for {}", spec.temperature);
  }
}

}  // namespace limbeck::distill
