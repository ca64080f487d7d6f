#include "limbeck/distill/losses_reference.h"

#include <array>

namespace limbeck::distill {
namespace {

// log p, log q [.., outcomes] -> D(p, q) summed over outcomes and rows.
// kAbsent stands for an outcome of no probability on either side: it adds nothing.
constexpr double kAbsent = -1e4;

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
    case Loss::uld:
      break;
  }
  return {};
}

// The sparse labels of one kind, padded to the longest list.
struct SparseRows {
  at::Tensor rows;            // [m] int64, of the logits
  at::Tensor ids;             // [m, k] int64; a list's first id again where it has ended
  at::Tensor values, listed;  // [m, k]; listed: 1 where the list has not ended
};

SparseRows collect(const std::vector<const SoftTarget*>& soft, SoftTarget::Kind kind,
                   const at::Tensor& like) {
  std::vector<std::int64_t> rows, ids;
  std::vector<float> values, listed;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < soft.size(); ++i) {
    if (!soft[i] || soft[i]->kind != kind) continue;
    rows.push_back(static_cast<std::int64_t>(i));
    longest = std::max(longest, soft[i]->ids.size());
  }
  for (const auto row : rows) {
    const SoftTarget& target = *soft[static_cast<std::size_t>(row)];
    for (std::size_t j = 0; j < longest; ++j) {
      const bool there = j < target.ids.size();
      ids.push_back(target.ids[there ? j : 0]);
      values.push_back(there ? target.values[j] : 0.0f);
      listed.push_back(there ? 1.0f : 0.0f);
    }
  }
  const std::array<std::int64_t, 2> shape{static_cast<std::int64_t>(rows.size()),
                                          static_cast<std::int64_t>(longest)};
  return {at::tensor(rows, at::kLong).to(like.device()),
          at::tensor(ids, at::kLong).to(like.device()).view(shape),
          at::tensor(values, at::kFloat).to(like.options()).view(shape),
          at::tensor(listed, at::kFloat).to(like.options()).view(shape)};
}

// z [n, vocab] at the loss's temperature -> the divergence summed over all rows with sparse labels.
at::Tensor sparse(const LossSpec& spec, const at::Tensor& z,
                  const std::vector<const SoftTarget*>& soft) {
  auto total = at::zeros({}, z.options());
  const SparseRows counts = collect(soft, SoftTarget::Kind::counts, z);
  if (counts.rows.size(0) > 0) {
    const auto log_q = at::log_softmax(z.index_select(0, counts.rows), -1).gather(1, counts.ids);
    const auto share = counts.values / counts.values.sum(-1, true);
    total = total + (share * (share.clamp_min(1e-30).log() - log_q)).sum();
  }
  const SparseRows top = collect(soft, SoftTarget::Kind::top_k, z);
  if (top.rows.size(0) > 0) {
    const auto log_q = at::log_softmax(z.index_select(0, top.rows), -1);
    const auto absent = top.listed.eq(0);
    const auto others = at::ones_like(log_q).scatter(1, top.ids, 0.0);
    const auto rest_q = (log_q.exp() * others).sum(-1, true).log();
    const auto mass = (top.values.exp() * top.listed).sum(-1, true);
    const auto rest_p = (1 - mass).clamp_min(1e-8).log();
    total = total +
            divergence(spec, at::cat({top.values.masked_fill(absent, kAbsent), rest_p}, 1),
                       at::cat({log_q.gather(1, top.ids).masked_fill(absent, kAbsent), rest_q}, 1));
  }
  return total;
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
    std::vector<double> weights(static_cast<std::size_t>(z.size(0)), 1.0);
    for (std::size_t i = 0; i < soft.size(); ++i) {
      if (!soft[i] || soft[i]->kind == SoftTarget::Kind::none) continue;
      weights[i] = 1 - w;
      ++loss.soft_targets;
    }
    if (loss.soft_targets > 0) {
      total_soft = sparse(spec, z / t, soft);
      hard_weight = at::tensor(weights, at::kDouble).to(z.options());
    }
  }
  total_soft = total_soft * (t * t);
  loss.total = (ce * hard_weight).sum() + w * total_soft;
  loss.cross_entropy = ce.detach().sum();
  loss.soft = total_soft.detach();
  return loss;
}

}  // namespace limbeck::distill
