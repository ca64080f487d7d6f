#include "limbeck/distill/training.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/distill/train_checks.h"

namespace limbeck::distill {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string note(const LossSums& sums, double average) {
  const auto n = static_cast<double>(std::max<std::int64_t>(sums.targets, 1));
  std::string out = fmt::format("loss {:.3f}", average);
  if (sums.soft_targets > 0) {
    out += fmt::format(" (kd {:.3f} ce {:.3f})", sums.soft / static_cast<double>(sums.soft_targets),
                       sums.cross_entropy / n);
  }
  return out;
}

// "3, 17, 20 and 5 more": rows as the user counts them.
std::string row_names(const std::vector<std::uint32_t>& rows) {
  constexpr std::size_t kShown = 8;
  std::string out;
  for (std::size_t i = 0; i < std::min(kShown, rows.size()); ++i) {
    out += fmt::format("{}{}", i > 0 ? ", " : "", rows[i] + 1);
  }
  return rows.size() > kShown ? out + fmt::format(" and {} more", rows.size() - kShown) : out;
}

}  // namespace

Training::Training(TrainingInputs inputs)
    : in_(std::move(inputs)),
      trained_(in_.student.trained()),
      decoder_(in_.student.base, in_.student.adapters.get()),
      optimizer_(trained_),
      plan_(plan_steps(in_.rows, in_.options)) {
  decoder_.recompute = in_.options.recompute;
  share_weights();
  state_.identity = run_identity(in_.options, in_.rows, trained_,
                                 in_.student.adapters ? in_.student.base->value : at::Tensor(),
                                 in_.teacher  ? in_.teacher->weights()
                                 : in_.across ? in_.across->weights()
                                              : at::Tensor());
  if (in_.rollout) {
    on_policy_.emplace(in_.options, in_.rows, plan_,
                       in_.student.base->architecture().context_length);
  }
  if (const auto& quantize = in_.options.quantize; !quantize.type.empty()) {
    grid_.emplace(trained_, find_mix(quantize.type));
    const auto steps = static_cast<double>(plan_.size());
    grid_from_ = std::min(static_cast<std::int64_t>(std::floor(steps * (1 - quantize.share))),
                          static_cast<std::int64_t>(plan_.size()) - 1);
  }
  if (in_.options.ema > 0 && leads()) state_.average = trained_.value.clone();
}

const at::Tensor& Training::current() const {
  return state_.average.defined() ? state_.average : trained_.value;
}

at::Tensor Training::micro_loss(std::span<const TrainRow> rows, const MicroBatch& micro, bool own,
                                const HeadOptions& head, LossSums& sums) {
  auto batch = make_batch(rows, micro, trained_.value.device());
  LayerOutputs student, teacher;
  if (in_.teacher && (own || in_.label_rows)) {
    in_.teacher->label(rows, micro, !own, batch, in_.match, &teacher);
  }
  const auto all = in_.match ? in_.match->run(decoder_, batch.tokens, true, student)
                             : decoder_.hidden(batch.tokens);
  const auto hidden = select_rows(all, batch.index);
  if (in_.across) {
    return cross_head_loss(hidden, decoder_.output(), batch.targets.labels,
                           in_.across->label(micro), head, sums);
  }
  const auto loss = head_loss(hidden, decoder_.output(), batch.targets, head, sums);
  if (!in_.match) return loss;
  const auto inside = in_.match->loss(student, teacher, trained_, batch);
  sums.inside += inside.item<double>();
  sums.total += inside.item<double>();
  return loss + inside.to(at::kDouble) * head.scale;
}

void Training::micro_batches(std::span<const TrainRow> rows, const std::vector<MicroBatch>& micros,
                             const LossSpec& loss, bool own, std::int64_t targets) {
  const HeadOptions head{.loss = loss,
                         .softcap = decoder_.architecture().logit_softcap,
                         .scale = 1.0 / static_cast<double>(targets)};
  const Ranks* ranks = in_.options.ranks;
  for (const auto& micro : share(rows, micros, in_.options.micro_tokens, ranks ? ranks->rank() : 0,
                                 ranks ? ranks->size() : 1)) {
    LossSums sums;
    const auto value = micro_loss(rows, micro, own, head, sums);
    last_.add(sums);
    if (!std::isfinite(sums.total)) {
      trouble_ = fmt::format("the loss is not finite in step {} ({} rows {})", state_.step + 1,
                             own ? "the student's" : "training", row_names(micro.rows));
      return;
    }
    value.backward();
  }
}

void Training::one_step(StepPlan& step) {
  last_ = {};
  trouble_.clear();
  LossSpec loss = loss_spec(in_.options);
  if (!on_policy_ || !on_policy_->covers(state_.step)) {
    micro_batches(in_.rows, step.micro, loss, false, step.targets);
    return;
  }
  roll_out();
  const auto mix = on_policy_->mix(state_.step);
  step.tokens = mix.tokens;
  step.targets = mix.targets;
  const OnPolicyOptions& o = in_.options.on_policy;
  LossSpec own = loss;
  own.kind = o.loss;
  own.soft_weight = 1;  // its own answer is no label
  if (o.teacher_loss) loss.kind = *o.teacher_loss;
  micro_batches(in_.rows, mix.teacher, loss, false, mix.targets);
  micro_batches(mix.student_rows, mix.student, own, true, mix.targets);
}

// Answers of the student as it is now, where a round begins.
void Training::roll_out() {
  const auto wanted = on_policy_->wanted(state_.step);
  if (wanted.empty()) return;
  std::vector<std::vector<TokenId>> answers;
  if (leads()) {
    std::vector<std::vector<TokenId>> prompts;
    for (const auto row : wanted) prompts.push_back(on_policy_->prompt(row));
    const OnPolicyOptions& o = in_.options.on_policy;
    const auto folder = temporary_model("rollout");
    write_model(folder, trained_.rounded(current()), TensorType::f32, nullptr);
    answers = (*in_.rollout)(
        folder, prompts,
        {o.max_tokens, o.temperature, in_.options.seed + static_cast<std::uint64_t>(state_.step)});
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  share_answers(answers);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    on_policy_->keep(wanted[i], std::move(answers.at(i)));
  }
}

// Weights change fast at first: the average follows them closely then.
void Training::average() {
  if (!state_.average.defined()) return;
  const double step = static_cast<double>(state_.step);
  const double decay = std::min(in_.options.ema, (1 + step) / (10 + step));
  at::NoGradGuard no_grad;
  state_.average.lerp_(trained_.value, 1 - decay);
}

void Training::round_from_now_on() {
  trained_.rounding = [this](const at::Tensor& value, const at::Tensor& forward) {
    grid_->round(value, forward);
  };
}

void Training::begin_rounding() {
  round_from_now_on();
  trained_.update_compute();
  say(fmt::format("step {}: from here on the weights of {}", state_.step,
                  in_.options.quantize.type));
  state_.best = at::Tensor();
  state_.since_best = 0;
  if (selects()) evaluate();
}

void Training::update(StepPlan step) {
  const TrainOptions& o = in_.options;
  const Schedule schedule{o.schedule, o.learning_rate, o.final_learning_rate_ratio, o.warmup};
  const AdamOptions adam{o.beta1, o.beta2, o.epsilon, o.weight_decay};
  if (grid_ && state_.step == grid_from_) begin_rounding();
  const auto start = Clock::now();
  const bool own = on_policy_ && on_policy_->covers(state_.step);
  one_step(step);
  sum_step();
  state_.last_loss = last_.total / static_cast<double>(step.targets);
  const double norm = AdamW::gradient_norm(trained_);
  if (!std::isfinite(norm)) {
    diverged(fmt::format("the gradient is not finite in step {} (training rows {})",
                         state_.step + 1, row_names(step.micro.front().rows)));
  }
  const double clip = o.clip_norm > 0 && norm > o.clip_norm ? o.clip_norm / norm : 1.0;
  const double rate = schedule.at(state_.step, static_cast<std::int64_t>(plan_.size())) *
                      (own ? o.on_policy.learning_rate_ratio : 1.0);
  optimizer_.step(trained_, adam, rate, clip, state_.step + 1);
  ++state_.step;
  const bool due = (state_.step - grid_from_) % in_.options.quantize.every == 0;
  if (trained_.apart() && (due || !trained_.rounding)) trained_.update_compute();
  average();
  state_.tokens += step.tokens;
  state_.target_tokens += step.targets;
  state_.loss_average =
      state_.step == 1 ? state_.last_loss : 0.95 * state_.loss_average + 0.05 * state_.last_loss;
  const double step_s = seconds_since(start);
  state_.seconds += step_s;
  write_metrics(step, rate, norm, step_s);
}

bool Training::evaluates_after(std::int64_t step) const {
  if (!selects()) return false;
  const auto total = static_cast<std::int64_t>(plan_.size());
  if (step == total) return true;
  const auto n = in_.options.evaluations;
  // Crossing a multiple of total / n.
  return n > 0 && step * n / total != (step - 1) * n / total;
}

void Training::write_metrics(const StepPlan& step, double rate, double norm, double step_s) {
  const auto n = static_cast<double>(step.targets);
  Json line = {{"step", state_.step},
               {"loss", last_.total / n},
               {"cross_entropy", last_.cross_entropy / n},
               {"learning_rate", rate},
               {"gradient_norm", norm},
               {"tokens", state_.tokens},
               {"tokens_per_s", static_cast<double>(step.tokens) / step_s},
               {"seconds", state_.seconds}};
  if (last_.soft_targets > 0) line["soft"] = last_.soft / static_cast<double>(last_.soft_targets);
  if (in_.match) line["inside"] = last_.inside / n;
  metrics_.add(line);
}

void Training::train_steps() {
  const auto steps = static_cast<std::int64_t>(plan_.size());
  std::uint64_t all_tokens = 0;
  for (const auto& step : plan_) all_tokens += static_cast<std::uint64_t>(step.tokens);
  Progress progress("train", all_tokens, "tokens");
  progress.update(static_cast<std::uint64_t>(state_.tokens));
  auto saved = Clock::now();
  while (state_.step < steps && !state_.stopped) {
    update(plan_[static_cast<std::size_t>(state_.step)]);
    progress.update(static_cast<std::uint64_t>(state_.tokens), note(last_, state_.loss_average));
    const bool due = seconds_since(saved) >= in_.options.checkpoint_seconds;
    const Pause pause = agree({evaluates_after(state_.step), due, interrupted()});
    if (!pause.any()) continue;
    if (pause.evaluate && leads()) evaluate();
    bool stop = pause.stop || interrupted();
    if ((stop || pause.save) && leads()) {
      save();
      saved = Clock::now();
    }
    end_pause(stop);
    if (!stop) continue;
    fail_try(ErrorKind::interrupted,
             in_.options.checkpoint_folder.empty()
                 ? "set a checkpoint folder to make training resumable"
                 : "run the same command again to go on from the checkpoint",
             "interrupted");
  }
  progress.finish(note(last_, state_.loss_average));
}

TrainResult Training::run(Json manifest) {
  if (leads()) resume();
  share_start();
  if (!in_.options.metrics_file.empty() && leads()) {
    metrics_.open(in_.options.metrics_file, state_.step, in_.options.tensorboard);
  }
  try {
    train_steps();
  } catch (const Error& error) {
    // A rank was lost; what the others did together is whole.
    if (error.kind() == ErrorKind::network && in_.options.ranks && leads()) save();
    throw;
  }
  if (!leads()) return {};
  save();
  return result(std::move(manifest));
}

}  // namespace limbeck::distill
