#include "limbeck/distill/soft_teacher.h"

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"

namespace limbeck::distill {
namespace {

std::shared_ptr<Parameters> load(const std::filesystem::path& model, const Tokenizer& tokenizer,
                                 bool bf16, at::Device device) {
  const auto checkpoint = Checkpoint::open(model);
  if (checkpoint.tokenizer().hash() != tokenizer.hash()) {
    fail_try(ErrorKind::usage, "give the student the teacher's tokenizer, or train on its texts",
             "{}: the teacher's vocabulary is not the student's, so its probabilities mean nothing "
             "to it",
             model.string());
  }
  auto parameters = std::make_shared<Parameters>(
      checkpoint.architecture(),
      ParameterOptions{at::kFloat, bf16 ? at::kBFloat16 : at::kFloat, device, false});
  parameters->load(checkpoint);
  return parameters;
}

}  // namespace

SoftTeacher::SoftTeacher(const std::filesystem::path& model, const Tokenizer& tokenizer, bool bf16,
                         at::Device device)
    : decoder_(load(model, tokenizer, bf16, device)) {}

void SoftTeacher::prepare(std::span<const TrainRow> rows, std::int64_t micro_tokens,
                          std::uint64_t bytes) {
  std::uint64_t targets = 0, tokens = 0;
  for (const auto& row : rows) {
    targets += row.tokens.size() - static_cast<std::uint64_t>(row.first_target);
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
  for (const auto& micro : plan_pass(rows, micro_tokens)) {
    stop_if_interrupted("run the same command again");
    const auto batch = make_batch(rows, micro, output.device());
    const auto hidden = select_rows(decoder_.hidden(batch.tokens), batch.index);
    std::int64_t at = 0;
    for (const auto r : micro.rows) {
      const auto n = static_cast<std::int64_t>(rows[r].tokens.size()) - rows[r].first_target;
      kept_[r] = hidden.narrow(0, at, n);
      at += n;
      done += rows[r].tokens.size();
    }
    progress.update(done);
  }
}

void SoftTeacher::label(const MicroBatch& micro, TargetBatch& batch) const {
  at::NoGradGuard no_grad;
  if (kept_.empty()) {
    batch.targets.teacher_hidden = select_rows(decoder_.hidden(batch.tokens), batch.index);
  } else {
    std::vector<at::Tensor> parts;
    for (const auto r : micro.rows) parts.push_back(kept_[r]);
    batch.targets.teacher_hidden = at::cat(parts);
  }
  batch.targets.teacher_output = decoder_.output().compute;
  batch.targets.teacher_softcap = architecture().logit_softcap;
}

}  // namespace limbeck::distill
