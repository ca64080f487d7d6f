#include "limbeck/distill/heal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/base/sha256.h"
#include "limbeck/base/version.h"
#include "limbeck/distill/scale_factors.h"
#include "limbeck/distill/train_state.h"
#include "limbeck/distill/training.h"

namespace limbeck::distill {
namespace {

constexpr std::uint64_t kTeacherBytes = std::uint64_t{256} << 20;  // of kept hidden states

std::vector<TrainRow> rows_of(const HealText& text) {
  std::vector<TrainRow> rows;
  for (const auto* part : {&text.train, &text.held_out}) {
    for (const auto& sequence : *part) {
      if (sequence.size() > 1) rows.push_back({sequence, 1, {}});
    }
    if (rows.empty()) fail(ErrorKind::usage, "healing needs text to train on");
  }
  return rows;
}

std::int64_t usable(std::span<const std::vector<TokenId>> sequences) {
  return std::count_if(sequences.begin(), sequences.end(),
                       [](const auto& sequence) { return sequence.size() > 1; });
}

TrainOptions plan_options(const HealOptions& o) {
  TrainOptions options;
  options.max_steps = o.steps;
  options.batch_tokens = o.batch_tokens;
  options.micro_tokens = o.micro_tokens;
  options.seed = o.seed;
  options.threads = o.threads;
  return options;
}

// What the steps and the loss depend on, and where they begin: another healing's checkpoint is
// none.
std::string identity_of(const HealOptions& o, std::span<const TrainRow> rows, std::size_t n_train,
                        const at::Tensor& weights) {
  Sha256 hash;
  hash.add(to_text({{"limbeck", version()},
                    {"steps", o.steps},
                    {"batch_tokens", o.batch_tokens},
                    {"micro_tokens", o.micro_tokens},
                    {"learning_rate", o.learning_rate},
                    {"vectors", o.vectors},
                    {"evaluations", o.evaluations},
                    {"seed", o.seed},
                    {"train", n_train}}));
  for (const TrainRow& row : rows) hash.add(std::as_bytes(std::span(row.tokens)));
  const auto values = weights.to(at::kCPU);
  hash.add(std::as_bytes(std::span(elements<float>(values), values.nbytes() / sizeof(float))));
  return hash.hex();
}

class Healing {
 public:
  Healing(const std::filesystem::path& original, const Checkpoint& rounded, const HealText& text,
          const HealOptions& options, at::Device device)
      : options_(options),
        rows_(rows_of(text)),
        n_train_(static_cast<std::size_t>(usable(text.train))),
        teacher_(original, rounded.tokenizer(), /*bf16=*/false, device),
        student_(load(rounded, device)),
        decoder_(student_),
        factors_(rounded, student_, options.vectors) {
    if (n_train_ == rows_.size()) fail(ErrorKind::usage, "healing needs held-out text");
    if (passes() > 2) {
      TrainOptions alone;
      alone.micro_tokens = options.micro_tokens;
      teacher_.prepare(rows_, alone, kTeacherBytes);
    }
  }

  HealedModel run() {
    const auto plan = plan_steps(std::span(rows_).first(n_train_), plan_options(options_));
    const auto steps = static_cast<std::int64_t>(plan.size());
    if (!options_.checkpoints.empty()) {
      identity_ = identity_of(options_, rows_, n_train_, student_->value);
    }
    HealedModel result;
    result.kl_before = result.kl_after = held_out_kl();
    best_ = factors_.values;
    Progress progress("heal", static_cast<std::uint64_t>(steps), "steps");
    resume(result);
    for (std::int64_t step = result.resumed; step < steps; ++step) {
      stop_if_interrupted("run the same command again");
      const StepPlan& now = plan[static_cast<std::size_t>(step)];
      const double kl = one_step(now, step, steps);
      result.tokens += now.tokens;
      std::string note = fmt::format("KL {:.5f}", kl);
      if ((step + 1) * options_.evaluations / steps != step * options_.evaluations / steps) {
        const double held_out = held_out_kl();
        note += fmt::format(", held out {:.5f} (before {:.5f})", held_out, result.kl_before);
        if (held_out < result.kl_after) {
          result.kl_after = held_out;
          result.best_step = step + 1;
          best_ = factors_.values;
        }
        save(result, step + 1);
      }
      progress.update(static_cast<std::uint64_t>(step + 1), note);
    }
    progress.finish();
    result.steps = steps;
    factors_.values = std::move(best_);
    result.tensors = factors_.bytes();
    return result;
  }

 private:
  static std::shared_ptr<Parameters> load(const Checkpoint& rounded, at::Device device) {
    auto parameters = std::make_shared<Parameters>(
        rounded.architecture(), ParameterOptions{at::kFloat, at::kFloat, device, true});
    parameters->load(rounded);
    return parameters;
  }

  // Over the text: what is read once or twice need not be kept.
  double passes() const {
    double tokens = 1;
    for (std::size_t i = 0; i < n_train_; ++i) {
      tokens += static_cast<double>(rows_[i].tokens.size());
    }
    return static_cast<double>(options_.steps * options_.batch_tokens) / tokens;
  }

  LossSums pass(const MicroBatch& micro, double scale) {
    auto batch = make_batch(rows_, micro, student_->value.device());
    teacher_.label(rows_, micro, /*prepared=*/true, batch);
    const HeadOptions head{.loss = {.kind = Loss::forward_kl, .soft_weight = 1},
                           .softcap = decoder_.architecture().logit_softcap,
                           .scale = scale};
    LossSums sums;
    const auto hidden = select_rows(decoder_.hidden(batch.tokens), batch.index);
    const auto value = head_loss(hidden, decoder_.output(), batch.targets, head, sums);
    if (!std::isfinite(sums.soft)) {
      fail_try(ErrorKind::numeric, "leave --heal out", "the divergence is not finite");
    }
    if (value.requires_grad()) value.backward();
    return sums;
  }

  double held_out_kl() {
    at::NoGradGuard no_grad;
    LossSums sums;
    for (auto micro : plan_pass(std::span(rows_).subspan(n_train_), options_.micro_tokens)) {
      for (auto& row : micro.rows) row += static_cast<std::uint32_t>(n_train_);
      sums.add(pass(micro, 1));
    }
    return sums.soft / static_cast<double>(sums.soft_targets);
  }

  // Returns the divergence before the step.
  double one_step(const StepPlan& plan, std::int64_t step, std::int64_t steps) {
    LossSums sums;
    for (const auto& micro : plan.micro) {
      sums.add(pass(micro, 1.0 / static_cast<double>(plan.targets)));
    }
    factors_.take_gradient();
    const Schedule schedule{"cosine", options_.learning_rate, 0, 0.1};
    factors_.descend(schedule.at(step, steps), step + 1);
    factors_.apply();
    return sums.soft / static_cast<double>(sums.soft_targets);
  }

  // Goes on after the newest checkpoint.
  void resume(HealedModel& result) {
    if (options_.checkpoints.empty()) return;
    const auto state = load_state(options_.checkpoints, identity_);
    if (!state) return;
    const auto take = [](const at::Tensor& from, std::vector<float>& to) {
      std::copy_n(elements<float>(from), to.size(), to.begin());
    };
    take(state->value, factors_.values);
    take(state->first, factors_.first);
    take(state->second, factors_.second);
    take(state->best, best_);
    result.tokens = state->tokens;
    result.best_step = state->best_step;
    result.kl_after = state->best_metric;
    result.resumed = state->step;
    factors_.apply();
  }

  void save(const HealedModel& result, std::int64_t step) {
    if (options_.checkpoints.empty()) return;
    const auto flat = [](std::vector<float>& values) {
      return at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, at::kFloat);
    };
    TrainState state;
    state.identity = identity_;
    state.step = step;
    state.tokens = result.tokens;
    state.best_step = result.best_step;
    state.best_metric = result.kl_after;
    state.value = flat(factors_.values);
    state.first = flat(factors_.first);
    state.second = flat(factors_.second);
    state.best = flat(best_);
    save_state(options_.checkpoints, state);
  }

  const HealOptions& options_;
  std::vector<TrainRow> rows_;  // those to train on, then the held-out ones
  std::size_t n_train_;
  SoftTeacher teacher_;
  std::shared_ptr<Parameters> student_;
  TorchDecoder decoder_;
  ScaleFactors factors_;
  std::vector<float> best_;  // factors
  std::string identity_;     // of its checkpoints
};

}  // namespace

HealedModel heal_scales(const std::filesystem::path& original, const Checkpoint& rounded,
                        const HealText& text, const HealOptions& options) {
  const auto device = prepare_torch(plan_options(options));
  return Healing(original, rounded, text, options, device).run();
}

}  // namespace limbeck::distill
