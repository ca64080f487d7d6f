#include "limbeck/distill/target_batch.h"

namespace limbeck::distill {

TargetBatch make_batch(std::span<const TrainRow> rows, const MicroBatch& micro, at::Device device) {
  TargetBatch batch;
  std::vector<std::span<const TokenId>> tokens;
  std::vector<std::int64_t> index;
  std::int64_t start = 0;
  bool any_soft = false;
  for (const auto r : micro.rows) any_soft = any_soft || !rows[r].soft.empty();
  for (const auto r : micro.rows) {
    const TrainRow& row = rows[r];
    tokens.emplace_back(row.tokens);
    const auto length = static_cast<std::int64_t>(row.tokens.size());
    for (auto t = row.first_target; t < length; ++t) {
      index.push_back(start + t - 1);
      batch.targets.labels.push_back(row.tokens[static_cast<std::size_t>(t)]);
      if (!any_soft) continue;
      const auto i = static_cast<std::size_t>(t - row.first_target);
      batch.targets.soft.push_back(row.soft.empty() ? nullptr : &row.soft[i]);
    }
    start += length;
  }
  batch.tokens = pack(tokens, device);
  batch.index = at::tensor(index, at::kLong).to(device);
  return batch;
}

LossSums total_loss(const TorchDecoder& decoder, std::span<const TrainRow> rows,
                    const LossSpec& spec, std::int64_t micro_tokens) {
  at::NoGradGuard no_grad;
  LossSums sums;
  HeadOptions options{.loss = spec, .softcap = decoder.architecture().logit_softcap};
  const auto device = decoder.parameters().value.device();
  for (const auto& micro : plan_pass(rows, micro_tokens)) {
    const auto batch = make_batch(rows, micro, device);
    const auto hidden = select_rows(decoder.hidden(batch.tokens), batch.index);
    head_loss(hidden, decoder.output(), batch.targets, options, sums);
  }
  return sums;
}

}  // namespace limbeck::distill
