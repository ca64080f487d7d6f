#include "limbeck/distill/soft_teacher.h"

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/distill/ranks.h"
#include "limbeck/distill/student.h"

namespace limbeck::distill {
namespace {

std::shared_ptr<Parameters> load(const std::filesystem::path& model, const Tokenizer& tokenizer,
                                 bool bf16, at::Device device) {
  if (Tokenizer::open(model).hash() != tokenizer.hash()) {
    fail_try(
        ErrorKind::usage,
        "set loss: uld (across tokenizers), give the student the teacher's tokenizer, or train "
        "on the teacher's texts",
        "{}: the teacher's vocabulary is not the student's, so its probabilities mean nothing "
        "to it",
        model.string());
  }
  return frozen_model(model, bf16, device);
}

std::int64_t targets_of(const TrainRow& row) {
  return static_cast<std::int64_t>(row.tokens.size()) - row.first_target;
}

}  // namespace

SoftTeacher::SoftTeacher(const std::filesystem::path& model, const Tokenizer& tokenizer, bool bf16,
                         at::Device device)
    : decoder_(load(model, tokenizer, bf16, device)) {}

void SoftTeacher::prepare(std::span<const TrainRow> rows, const TrainOptions& options,
                          std::uint64_t bytes) {
  std::uint64_t targets = 0, tokens = 0;
  for (const auto& row : rows) {
    targets += static_cast<std::uint64_t>(targets_of(row));
    tokens += row.tokens.size();
  }
  const auto& output = decoder_.output().compute;
  const auto needed =
      targets * static_cast<std::uint64_t>(architecture().hidden) * output.element_size();
  if (needed > bytes) return;
  at::NoGradGuard no_grad;
  kept_.resize(rows.size());
  Progress progress("teacher", tokens, "tokens");
  std::uint64_t done = 0;
  Ranks* ranks = options.ranks;
  const auto n_ranks = static_cast<std::size_t>(ranks ? ranks->size() : 1);
  const auto plan = plan_pass(rows, options.micro_tokens);
  for (std::size_t round = 0; round < plan.size(); round += n_ranks) {
    stop_if_interrupted("run the same command again");
    const auto end = std::min(plan.size(), round + n_ranks);
    const auto mine = round + static_cast<std::size_t>(ranks ? ranks->rank() : 0);
    at::Tensor own;
    if (mine < end) own = run(rows, plan[mine]).contiguous();
    for (auto i = round; i < end; ++i) {
      std::int64_t n = 0;
      for (const auto r : plan[i].rows) n += targets_of(rows[r]);
      const auto hidden = i == mine ? own : at::empty({n, architecture().hidden}, output.options());
      if (ranks) ranks->broadcast(hidden, static_cast<int>(i - round));
      std::int64_t at = 0;
      for (const auto r : plan[i].rows) {
        kept_[r] = hidden.narrow(0, at, targets_of(rows[r]));
        at += targets_of(rows[r]);
        done += rows[r].tokens.size();
      }
    }
    progress.update(done);
  }
}

// The teacher's final hidden states at the targets, behind its own prompts where it has any.
at::Tensor SoftTeacher::run(std::span<const TrainRow> rows, const MicroBatch& micro) const {
  std::vector<TrainRow> seen;
  MicroBatch all;
  for (const auto r : micro.rows) {
    const TrainRow& row = rows[r];
    TrainRow own;
    own.tokens = row.teacher_prompt;
    own.first_target = static_cast<std::int64_t>(row.teacher_prompt.size());
    const auto from = row.teacher_prompt.empty() ? 0 : row.first_target;
    own.tokens.insert(own.tokens.end(), row.tokens.begin() + from, row.tokens.end());
    if (row.teacher_prompt.empty()) own.first_target = row.first_target;
    all.rows.push_back(static_cast<std::uint32_t>(seen.size()));
    seen.push_back(std::move(own));
  }
  const auto batch = make_batch(seen, all, weights().device());
  return select_rows(decoder_.hidden(batch.tokens), batch.index);
}

void SoftTeacher::label(std::span<const TrainRow> rows, const MicroBatch& micro, bool prepared,
                        TargetBatch& batch, const FeatureMatch* match,
                        LayerOutputs* outputs) const {
  at::NoGradGuard no_grad;
  if (match) {
    const auto hidden = match->run(decoder_, batch.tokens, false, *outputs);
    batch.targets.teacher_hidden = select_rows(hidden, batch.index);
  } else if (kept_.empty() || !prepared) {
    batch.targets.teacher_hidden = run(rows, micro);
  } else {
    std::vector<at::Tensor> parts;
    for (const auto r : micro.rows) parts.push_back(kept_[r]);
    batch.targets.teacher_hidden = at::cat(parts);
  }
  batch.targets.teacher_output = decoder_.output().compute;
  batch.targets.teacher_softcap = architecture().logit_softcap;
}

}  // namespace limbeck::distill
