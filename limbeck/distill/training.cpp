#include "limbeck/distill/training.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cmath>

#include "limbeck/base/atomic_file.h"
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

std::uint64_t peak_memory() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

// The lines of a resumed run's metrics up to its checkpoint.
void keep_metrics(const std::filesystem::path& file, std::int64_t last_step) {
  std::ifstream in(file);
  std::string line, kept;
  while (std::getline(in, line)) {
    const Json json = Json::parse(line, nullptr, false);
    if (json.is_object() && json.value("step", std::int64_t{0}) <= last_step) kept += line + '\n';
  }
  write_file(file, kept);
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

}  // namespace

Training::Training(std::shared_ptr<Parameters> parameters, const SoftTeacher* teacher,
                   const Tokenizer& tokenizer, std::span<const TrainRow> rows,
                   const TrainOptions& options, const DevMetric& dev, std::filesystem::path output)
    : parameters_(std::move(parameters)),
      decoder_(parameters_),
      optimizer_(*parameters_),
      teacher_(teacher),
      tokenizer_(tokenizer),
      rows_(rows),
      options_(options),
      dev_(dev),
      output_(std::move(output)),
      plan_(plan_steps(rows, options)) {
  state_.identity =
      run_identity(options, rows, *parameters_, teacher ? teacher->weights() : at::Tensor());
}

void Training::resume() {
  if (options_.checkpoint_folder.empty()) return;
  auto found = load_state(options_.checkpoint_folder, state_.identity);
  if (!found) return;
  at::NoGradGuard no_grad;
  parameters_->value.copy_(found->value);
  parameters_->update_compute();
  optimizer_.first.copy_(found->first);
  optimizer_.second.copy_(found->second);
  state_ = std::move(*found);
  resumed_ = true;
  say(fmt::format("resuming after step {} of {}", state_.step, plan_.size()));
}

double Training::one_step(const StepPlan& step) {
  last_ = {};
  HeadOptions head{.loss = loss_spec(options_),
                   .softcap = decoder_.architecture().logit_softcap,
                   .scale = 1.0 / static_cast<double>(step.targets)};
  const auto device = parameters_->value.device();
  for (const auto& micro : step.micro) {
    auto batch = make_batch(rows_, micro, device);
    if (teacher_) teacher_->label(micro, batch);
    const auto hidden = select_rows(decoder_.hidden(batch.tokens), batch.index);
    LossSums sums;
    const auto loss = head_loss(hidden, decoder_.output(), batch.targets, head, sums);
    last_.add(sums);
    if (!std::isfinite(sums.total)) {
      fail_try(ErrorKind::numeric, "lower learning_rate, or set bf16: false",
               "the loss is not finite in step {} (rows {} to {} of the micro-batch's {})",
               state_.step + 1, micro.rows.front() + 1, micro.rows.back() + 1, micro.rows.size());
    }
    loss.backward();
  }
  return last_.total / static_cast<double>(step.targets);
}

bool Training::evaluates_after(std::int64_t step) const {
  if (!selects()) return false;
  const auto total = static_cast<std::int64_t>(plan_.size());
  if (step == total) return true;
  const auto n = options_.evaluations;
  // Crossing a multiple of total / n.
  return n > 0 && step * n / total != (step - 1) * n / total;
}

void Training::evaluate() {
  double metric = 0;
  if (dev_) {
    const auto folder =
        output_.parent_path() / fmt::format(".{}.dev-{}", output_.filename().string(), ::getpid());
    write_model(folder, parameters_->value, TensorType::f32, nullptr);
    metric = dev_(folder);
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  } else {
    const auto sums = total_loss(decoder_, options_.dev_rows, {}, options_.micro_tokens);
    metric = -sums.cross_entropy / static_cast<double>(sums.targets);
  }
  const bool first = state_.evaluations == 0;
  ++state_.evaluations;
  if (metrics_.is_open()) {
    metrics_ << to_text({{"step", state_.step}, {"dev", metric}}) << '\n' << std::flush;
  }
  say(dev_ ? fmt::format("step {}: dev metric {:.4f}", state_.step, metric)
           : fmt::format("step {}: dev loss {:.4f}, perplexity {:.3f}", state_.step, -metric,
                         std::exp(-metric)));
  if (first || metric > state_.best_metric) {
    state_.best_metric = metric;
    state_.best_step = state_.step;
    state_.best = parameters_->value.clone();
    state_.since_best = 0;
  } else if (++state_.since_best >= options_.patience && options_.patience > 0) {
    state_.stopped = true;
    say(fmt::format("no gain in {} evaluations: stopping at step {}", options_.patience,
                    state_.step));
  }
}

void Training::save() {
  if (options_.checkpoint_folder.empty()) return;
  const auto host = [](const at::Tensor& t) { return t.defined() ? t.to(at::kCPU) : t; };
  TrainState state = state_;
  state.value = host(parameters_->value);
  state.first = host(optimizer_.first);
  state.second = host(optimizer_.second);
  state.best = host(state_.best);
  save_state(options_.checkpoint_folder, state);
}

void Training::write_metrics(const StepPlan& step, double rate, double norm, double step_s) {
  if (!metrics_.is_open()) return;
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
  metrics_ << to_text(line) << '\n' << std::flush;
}

void Training::write_model(const std::filesystem::path& folder, const at::Tensor& flat,
                           TensorType type, const Json& manifest) const {
  const auto tensors = parameters_->tensors(type, flat);
  WriteOptions options;
  options.manifest = manifest;
  write_hf_model(folder, parameters_->architecture(), &tokenizer_, tensors, options);
}

TrainResult Training::run(Json manifest) {
  resume();
  if (!options_.metrics_file.empty()) {
    if (resumed_ && std::filesystem::exists(options_.metrics_file)) {
      keep_metrics(options_.metrics_file, state_.step);
    }
    metrics_.open(options_.metrics_file, resumed_ ? std::ios::app : std::ios::trunc);
    if (!metrics_) fail(ErrorKind::io, "{}: cannot be written", options_.metrics_file.string());
  }
  const Schedule schedule{options_.schedule, options_.learning_rate,
                          options_.final_learning_rate_ratio, options_.warmup};
  const AdamOptions adam{options_.beta1, options_.beta2, options_.epsilon, options_.weight_decay};
  const auto steps = static_cast<std::int64_t>(plan_.size());
  std::uint64_t all_tokens = 0;
  for (const auto& step : plan_) all_tokens += static_cast<std::uint64_t>(step.tokens);
  Progress progress("train", all_tokens, "tokens");
  progress.update(static_cast<std::uint64_t>(state_.tokens));
  auto saved = Clock::now();
  while (state_.step < steps && !state_.stopped) {
    const auto start = Clock::now();
    const StepPlan& step = plan_[static_cast<std::size_t>(state_.step)];
    state_.last_loss = one_step(step);
    const double norm = AdamW::gradient_norm(*parameters_);
    if (!std::isfinite(norm)) {
      fail_try(ErrorKind::numeric, "lower learning_rate, or set bf16: false",
               "the gradient is not finite in step {} (row {} first)", state_.step + 1,
               step.micro.front().rows.front() + 1);
    }
    const double clip =
        options_.clip_norm > 0 && norm > options_.clip_norm ? options_.clip_norm / norm : 1.0;
    const double rate = schedule.at(state_.step, steps);
    optimizer_.step(*parameters_, adam, rate, clip, state_.step + 1);
    ++state_.step;
    state_.tokens += step.tokens;
    state_.target_tokens += step.targets;
    state_.loss_average =
        state_.step == 1 ? state_.last_loss : 0.95 * state_.loss_average + 0.05 * state_.last_loss;
    const double step_s = seconds_since(start);
    state_.seconds += step_s;
    write_metrics(step, rate, norm, step_s);
    progress.update(static_cast<std::uint64_t>(state_.tokens), note(last_, state_.loss_average));
    if (evaluates_after(state_.step)) evaluate();
    const bool due = seconds_since(saved) >= options_.checkpoint_seconds;
    if (interrupted() || due) {
      save();
      saved = Clock::now();
    }
    stop_if_interrupted(options_.checkpoint_folder.empty()
                            ? "set a checkpoint folder to make training resumable"
                            : "run the same command again to go on from the checkpoint");
  }
  progress.finish(note(last_, state_.loss_average));
  save();

  const bool select = state_.best.defined();
  TrainResult result{.steps = state_.step,
                     .tokens = state_.tokens,
                     .target_tokens = state_.target_tokens,
                     .seconds = state_.seconds,
                     .final_loss = state_.last_loss,
                     .best_metric = state_.best_metric,
                     .best_step = select ? state_.best_step : state_.step,
                     .peak_bytes = peak_memory(),
                     .resumed = resumed_};
  if (manifest.is_null()) manifest = Json::object();
  manifest["training"].update({{"steps", result.steps},
                               {"tokens", result.tokens},
                               {"target_tokens", result.target_tokens},
                               {"seconds", result.seconds},
                               {"final_loss", result.final_loss},
                               {"seed", options_.seed}});
  const TensorType type = options_.save == "f16"    ? TensorType::f16
                          : options_.save == "bf16" ? TensorType::bf16
                                                    : TensorType::f32;
  write_model(output_, select ? state_.best : parameters_->value, type, manifest);
  return result;
}

}  // namespace limbeck::distill
