// What a run leaves on disk: checkpoints, the best model so far, the result.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>

#include "limbeck/base/error.h"
#include "limbeck/base/progress.h"
#include "limbeck/distill/training.h"

namespace limbeck::distill {
namespace {

std::uint64_t peak_memory() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace

// What was trained on a grid is rounded onto it again from the very same numbers.
TensorType Training::saved_type() const {
  const std::string& name = in_.options.save;
  if (grid_ || name == "f32") return TensorType::f32;
  return name == "f16" ? TensorType::f16 : TensorType::bf16;
}

void Training::resume() {
  if (in_.options.checkpoint_folder.empty()) return;
  auto found = load_state(in_.options.checkpoint_folder, state_.identity);
  if (!found) return;
  at::NoGradGuard no_grad;
  trained_.value.copy_(found->value);
  trained_.update_compute();
  optimizer_.first.copy_(found->first);
  optimizer_.second.copy_(found->second);
  const auto device = trained_.value.device();
  for (auto* flat : {&found->best, &found->average}) {
    if (flat->defined()) *flat = flat->to(device);
  }
  if (grid_ && found->step > grid_from_) {
    round_from_now_on();
    if (found->rounded.defined()) {
      trained_.forward.copy_(found->rounded);
      trained_.compute.copy_(trained_.forward);
    } else {
      trained_.update_compute();
    }
  }
  state_ = std::move(*found);
  state_.value = state_.first = state_.second = state_.rounded = at::Tensor();
  if (on_policy_ && !state_.answers.is_null()) on_policy_->restore(state_.answers);
  resumed_ = true;
  say(fmt::format("resuming after step {} of {}", state_.step, plan_.size()));
}

void Training::save() {
  const auto& folder = in_.options.checkpoint_folder;
  if (folder.empty()) return;
  if (!std::isfinite(trained_.value.sum().item<double>())) {
    diverged(fmt::format("the weights are not finite after step {}", state_.step));
  }
  const auto host = [](const at::Tensor& t) { return t.defined() ? t.to(at::kCPU) : t; };
  TrainState state = state_;
  state.value = host(trained_.value);
  state.first = host(optimizer_.first);
  state.second = host(optimizer_.second);
  state.best = host(state_.best);
  if (on_policy_) state.answers = on_policy_->answers();
  state.average = host(state_.average);
  if (trained_.rounding && in_.options.quantize.every > 1) state.rounded = host(trained_.forward);
  try {
    save_state(folder, state);
  } catch (Error& error) {
    if (error.kind() != ErrorKind::io) throw;
    const auto before = newest_checkpoint(folder);
    throw error.try_this(
        before.empty() ? "make room and run the same command again"
                       : fmt::format("make room and run the same command again: it goes on from {}",
                                     before.string()));
  }
}

void Training::diverged(const std::string& what) {
  if (!leads()) in_.options.ranks->from_first({});  // rank 0 ends, and this with it
  constexpr const char* kRemedy =
      "lower learning_rate, set clip_norm, set bf16: false, or look at these rows";
  std::optional<TrainState> good;
  if (const auto& folder = in_.options.checkpoint_folder; !folder.empty()) {
    good = load_state(folder, state_.identity);
  }
  if (!good) fail_try(ErrorKind::numeric, kRemedy, "{}; there is no checkpoint before it", what);
  const auto folder = in_.options.checkpoint_folder / "last-good";
  const auto& flat = good->best.defined()      ? good->best
                     : good->average.defined() ? good->average
                                               : good->value;
  write_model(folder, flat.to(trained_.value.device()), saved_type(),
              {{"training", {{"steps", good->step}, {"stopped", what}}}});
  fail_try(ErrorKind::numeric, kRemedy, "{}; the checkpoint of step {} is kept, its model is {}",
           what, good->step, folder.string());
}

double Training::dev_loss() {
  at::NoGradGuard no_grad;
  at::Tensor value, forward;
  if (state_.average.defined() || trained_.rounding) {
    value = trained_.value.clone();
    forward = trained_.forward.clone();
    trained_.value.copy_(current());
    trained_.update_compute();
  }
  const auto sums = total_loss(decoder_, in_.options.dev_rows, {}, in_.options.micro_tokens);
  if (value.defined()) {
    trained_.forward.copy_(forward);
    trained_.value.copy_(value);
    trained_.compute.copy_(forward);
  }
  return sums.cross_entropy / static_cast<double>(sums.targets);
}

void Training::evaluate() {
  double metric = 0;
  if (in_.dev) {
    const auto folder = temporary_model("dev");
    write_model(folder, trained_.rounded(current()), TensorType::f32, nullptr);
    metric = in_.dev(folder);
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  } else {
    metric = -dev_loss();
  }
  const bool first = !state_.best.defined();
  ++state_.evaluations;
  metrics_.add({{"step", state_.step}, {"dev", metric}});
  say(in_.dev ? fmt::format("step {}: dev metric {:.4f}", state_.step, metric)
              : fmt::format("step {}: dev loss {:.4f}, perplexity {:.3f}", state_.step, -metric,
                            std::exp(-metric)));
  if (first || metric > state_.best_metric) {
    state_.best_metric = metric;
    state_.best_step = state_.step;
    state_.best = current().clone();
    state_.since_best = 0;
  } else if (++state_.since_best >= in_.options.patience && in_.options.patience > 0 &&
             (!grid_ || trained_.rounding)) {
    state_.stopped = true;
    say(fmt::format("no gain in {} evaluations: stopping at step {}", in_.options.patience,
                    state_.step));
  }
}

std::filesystem::path Training::temporary_model(std::string_view purpose) const {
  return in_.output.parent_path() /
         fmt::format(".{}.{}-{}", in_.output.filename().string(), purpose, ::getpid());
}

void Training::write_model(const std::filesystem::path& folder, const at::Tensor& flat,
                           TensorType type, const Json& manifest) const {
  const auto tensors = in_.student.base->tensors(type, in_.student.weights(flat));
  WriteOptions options;
  options.manifest = manifest;
  write_hf_model(folder, in_.student.base->architecture(), &in_.tokenizer, tensors, options);
}

TrainResult Training::result(Json manifest) {
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
  // All that the model needed, with what made its start.
  Json& training = manifest["training"];
  if (!training.is_object()) training = Json::object();
  const Json before = training.value("before", Json::object());
  training.update({{"steps", result.steps},
                   {"tokens", result.tokens + before.value("tokens", std::int64_t{0})},
                   {"target_tokens", result.target_tokens},
                   {"seconds", result.seconds + before.value("seconds", 0.0)},
                   {"final_loss", result.final_loss},
                   {"ranks", in_.options.ranks ? in_.options.ranks->size() : 1},
                   {"seed", in_.options.seed}});
  if (grid_) training["quantize"] = find_mix(in_.options.quantize.type).name;
  write_model(in_.output, select ? state_.best : current(), saved_type(), manifest);
  return result;
}

}  // namespace limbeck::distill
