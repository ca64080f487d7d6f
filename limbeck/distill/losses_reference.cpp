#include "limbeck/distill/losses_reference.h"

namespace limbeck::distill {
namespace {

// log p, log q [.., outcomes] -> D(p, q) summed over outcomes and rows.
at::Tensor divergence(const LossSpec& spec, const at::Tensor& log_p, const at::Tensor& log_q) {
  const auto p = log_p.exp(), q = log_q.exp();
  switch (spec.kind) {
    case Loss::forward_kl:
      return (p * (log_p - log_q)).sum();
    case Loss::reverse_kl:
      return (q * (log_q - log_p)).sum();
    case Loss::jsd: {
      const auto log_m = (spec.beta * p + (1 - spec.beta) * q).log();
      return (spec.beta * p * (log_p - log_m) + (1 - spec.beta) * q * (log_q - log_m)).sum();
    }
    case Loss::skew_kl:
      return (p * (log_p - (spec.alpha * p + (1 - spec.alpha) * q).log())).sum();
    case Loss::skew_reverse_kl:
      return (q * (log_q - (spec.alpha * q + (1 - spec.alpha) * p).log())).sum();
  }
  return {};
}

at::Tensor sparse(const LossSpec& spec, const at::Tensor& log_q, const SoftTarget& soft) {
  const auto ids =
      at::tensor(std::vector<std::int64_t>(soft.ids.begin(), soft.ids.end()), at::kLong)
          .to(log_q.device());
  const auto values = at::tensor(soft.values, at::kFloat).to(log_q.options());
  const auto listed = log_q.index_select(0, ids);
  if (soft.kind == SoftTarget::Kind::counts) {
    const auto share = values / values.sum();
    return (share * (share.clamp_min(1e-30).log() - listed)).sum();
  }
  const auto others = at::ones_like(log_q).index_fill(0, ids, 0);
  const auto rest_q = (log_q.exp() * others).sum().log();
  const auto rest_p = (1 - values.exp().sum()).clamp_min(1e-8).log();
  return divergence(spec, at::cat({values, rest_p.view({1})}), at::cat({listed, rest_q.view({1})}));
}

}  // namespace

ReferenceLoss reference_loss(const LossSpec& spec, const at::Tensor& z, const at::Tensor& labels,
                             const at::Tensor& teacher,
                             const std::vector<const SoftTarget*>& soft) {
  const double t = spec.temperature, w = spec.soft_weight;
  const auto ce = at::log_softmax(z, -1).gather(1, labels.unsqueeze(1)).squeeze(1).neg();  // [n]
  auto hard_weight = at::ones_like(ce);
  auto total_soft = at::zeros({}, z.options());
  ReferenceLoss loss;
  if (teacher.defined()) {
    total_soft = divergence(spec, at::log_softmax(teacher / t, -1), at::log_softmax(z / t, -1));
    hard_weight.fill_(1 - w);
    loss.soft_targets = z.size(0);
  } else {
    for (std::size_t i = 0; i < soft.size(); ++i) {
      if (!soft[i] || soft[i]->kind == SoftTarget::Kind::none) continue;
      const auto row = static_cast<std::int64_t>(i);
      total_soft = total_soft + sparse(spec, at::log_softmax(z[row] / t, -1), *soft[i]);
      hard_weight[row] = 1 - w;
      ++loss.soft_targets;
    }
  }
  total_soft = total_soft * (t * t);
  loss.total = (ce * hard_weight).sum() + w * total_soft;
  loss.cross_entropy = ce.detach().sum();
  loss.soft = total_soft.detach();
  return loss;
}

}  // namespace limbeck::distill
