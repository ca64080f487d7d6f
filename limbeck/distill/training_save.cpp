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

TensorType saved_type(const std::string& name) {
  return name == "f16" ? TensorType::f16 : name == "bf16" ? TensorType::bf16 : TensorType::f32;
}

}  // namespace

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
  state_ = std::move(*found);
  state_.value = state_.first = state_.second = at::Tensor();
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
  write_model(folder, flat.to(trained_.value.device()), saved_type(in_.options.save),
              {{"training", {{"steps", good->step}, {"stopped", what}}}});
  fail_try(ErrorKind::numeric, kRemedy, "{}; the checkpoint of step {} is kept, its model is {}",
           what, good->step, folder.string());
}

void Training::evaluate() {
  double metric = 0;
  if (in_.dev) {
    const auto folder = temporary_model("dev");
    write_model(folder, current(), TensorType::f32, nullptr);
    metric = in_.dev(folder);
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  } else {
    at::NoGradGuard no_grad;
    at::Tensor own;
    const auto use = [&](const at::Tensor& flat) {
      trained_.value.copy_(flat);
      trained_.update_compute();
    };
    if (state_.average.defined()) {
      own = trained_.value.clone();
      use(state_.average);
    }
    const auto sums = total_loss(decoder_, in_.options.dev_rows, {}, in_.options.micro_tokens);
    if (own.defined()) use(own);
    metric = -sums.cross_entropy / static_cast<double>(sums.targets);
  }
  const bool first = state_.evaluations == 0;
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
  } else if (++state_.since_best >= in_.options.patience && in_.options.patience > 0) {
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
  manifest["training"].update({{"steps", result.steps},
                               {"tokens", result.tokens},
                               {"target_tokens", result.target_tokens},
                               {"seconds", result.seconds},
                               {"final_loss", result.final_loss},
                               {"ranks", in_.options.ranks ? in_.options.ranks->size() : 1},
                               {"seed", in_.options.seed}});
  write_model(in_.output, select ? state_.best : current(), saved_type(in_.options.save), manifest);
  return result;
}

}  // namespace limbeck::distill
