#include "limbeck/distill/heal.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <optional>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/base/progress.h"
#include "limbeck/codec/scale_fields.h"
#include "limbeck/distill/block_scales.h"
#include "limbeck/distill/training.h"

namespace limbeck::distill {
namespace {

constexpr std::uint64_t kTeacherBytes = std::uint64_t{256} << 20;  // of kept hidden states
constexpr float kLargestFactor = 0.5f;  // a scale keeps its sign and its order of magnitude

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

class Healing {
 public:
  Healing(const std::filesystem::path& original, const Checkpoint& rounded, const HealText& text,
          const HealOptions& options, at::Device device)
      : options_(options),
        rows_(rows_of(text)),
        n_train_(static_cast<std::size_t>(usable(text.train))),
        teacher_(original, rounded.tokenizer(), /*bf16=*/false, device),
        student_(std::make_shared<Parameters>(
            rounded.architecture(), ParameterOptions{at::kFloat, at::kFloat, device, true})),
        decoder_(student_) {
    if (n_train_ == rows_.size()) fail(ErrorKind::usage, "healing needs held-out text");
    student_->load(rounded);
    for (const ParameterSlot& slot : student_->slots()) add(slot, rounded);
    const bool scales = std::any_of(trained_.begin(), trained_.end(),
                                    [](const Trained& tensor) { return tensor.scales; });
    if (!scales) {
      fail_try(ErrorKind::usage,
               "leave --heal out, or name a type with block scales, such as q4_k_m",
               "none of the rounded model's tensors has scales to train");
    }
    factors_.assign(n_factors_, 0);
    gradient_.assign(n_factors_, 0);
    first_.assign(n_factors_, 0);
    second_.assign(n_factors_, 0);
    if (passes() > 2) {
      TrainOptions alone;
      alone.micro_tokens = options.micro_tokens;
      teacher_.prepare(rows_, alone, kTeacherBytes);
    }
  }

  HealedModel run() {
    const auto plan = plan_steps(std::span(rows_).first(n_train_), plan_options(options_));
    const auto steps = static_cast<std::int64_t>(plan.size());
    HealedModel result;
    result.kl_before = result.kl_after = held_out_kl();
    std::vector<float> best = factors_;
    Progress progress("heal", static_cast<std::uint64_t>(steps), "steps");
    for (std::int64_t step = 0; step < steps; ++step) {
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
          best = factors_;
        }
      }
      progress.update(static_cast<std::uint64_t>(step + 1), note);
    }
    progress.finish();
    result.steps = steps;
    factors_ = std::move(best);
    for (const Trained& tensor : trained_) result.tensors[tensor.name] = bytes_of(tensor);
    return result;
  }

 private:
  // A tensor and its place among the factors. Without `scales` it is a vector, a factor an element.
  struct Trained {
    std::string name;
    std::int64_t offset, count;  // in the parameters
    std::size_t first, factors;
    std::optional<BlockScales> scales;
    std::vector<float> stored;  // of a vector
    float shift = 0;            // added to a norm's weights where the model adds it
  };

  // Over the text: what is read once or twice need not be kept.
  double passes() const {
    double tokens = 1;
    for (std::size_t i = 0; i < n_train_; ++i) {
      tokens += static_cast<double>(rows_[i].tokens.size());
    }
    return static_cast<double>(options_.steps * options_.batch_tokens) / tokens;
  }

  void add(const ParameterSlot& slot, const Checkpoint& rounded) {
    Trained tensor{slot.name, slot.offset, slot.count, n_factors_, 0, {}, {}, 0};
    if (slot.matrix()) {
      const Weight weight = rounded.at(slot.name);
      if (scale_fields(weight.type).empty()) return;
      tensor.scales.emplace(weight.type, weight.rows, weight.columns, weight.bytes);
      tensor.factors = static_cast<std::size_t>(tensor.scales->factors());
    } else {
      if (!options_.vectors) return;
      tensor.stored = rounded.floats(slot.name);
      tensor.factors = tensor.stored.size();
      const bool plus_one = rounded.architecture().norm == NormKind::rms_plus_one;
      tensor.shift = plus_one && slot.name.ends_with("norm.weight") ? 1 : 0;
    }
    n_factors_ += tensor.factors;
    trained_.push_back(std::move(tensor));
  }

  std::span<const float> factors(const Trained& tensor) const {
    return std::span(factors_).subspan(tensor.first, tensor.factors);
  }

  template <typename F>
  static void for_rows(const Trained& tensor, const F& f) {
    const auto grain = std::max<std::int64_t>(1, (1 << 14) / tensor.scales->columns());
    at::parallel_for(0, tensor.scales->rows(), grain, f);
  }

  // The model's weights as the factors have them.
  void apply() {
    at::NoGradGuard no_grad;
    for (const Trained& tensor : trained_) {
      const auto weights = at::empty({tensor.count}, at::kFloat);
      if (tensor.scales) {
        for_rows(tensor, [&](std::int64_t begin, std::int64_t end) {
          tensor.scales->decode(factors(tensor), begin, end, elements<float>(weights));
        });
      } else {
        std::memcpy(weights.data_ptr(), scaled_vector(tensor).data(), weights.nbytes());
      }
      student_->value.narrow(0, tensor.offset, tensor.count).copy_(weights);
    }
    student_->update_compute();
  }

  std::vector<float> scaled_vector(const Trained& tensor) const {
    std::vector<float> scaled(tensor.stored.size());
    const auto own = factors(tensor);
    for (std::size_t i = 0; i < scaled.size(); ++i) {
      scaled[i] = tensor.stored[i] + (tensor.stored[i] + tensor.shift) * own[i];
    }
    return scaled;
  }

  std::vector<std::byte> bytes_of(const Trained& tensor) const {
    if (!tensor.scales) {
      const auto scaled = scaled_vector(tensor);
      const auto bytes = std::as_bytes(std::span(scaled));
      return {bytes.begin(), bytes.end()};
    }
    std::vector<std::byte> bytes(tensor.scales->stored_bytes());
    tensor.scales->encode(factors(tensor), 0, tensor.scales->rows(), bytes);
    return bytes;
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
    take_gradient();
    const Schedule schedule{"cosine", options_.learning_rate, 0, 0.1};
    descend(schedule.at(step, steps), step + 1);
    apply();
    return sums.soft / static_cast<double>(sums.soft_targets);
  }

  void take_gradient() {
    at::NoGradGuard no_grad;
    for (const Trained& tensor : trained_) {
      const auto of_weights = student_->grad.narrow(0, tensor.offset, tensor.count).to(at::kCPU);
      const float* g = elements<float>(of_weights);
      const auto own = std::span(gradient_).subspan(tensor.first, tensor.factors);
      if (tensor.scales) {
        for_rows(tensor, [&](std::int64_t begin, std::int64_t end) {
          tensor.scales->gradient(g, begin, end, own);
        });
      } else {
        for (std::size_t i = 0; i < own.size(); ++i)
          own[i] = g[i] * (tensor.stored[i] + tensor.shift);
      }
    }
    student_->grad.zero_();
  }

  // One step of Adam over the factors.
  void descend(double rate, std::int64_t step) {
    constexpr double kBeta1 = 0.9, kBeta2 = 0.95, kEpsilon = 1e-12;
    const double t = static_cast<double>(step);
    const double correction1 = 1 / (1 - std::pow(kBeta1, t));
    const double correction2 = 1 / (1 - std::pow(kBeta2, t));
    for (std::size_t i = 0; i < n_factors_; ++i) {
      const double g = gradient_[i];
      const double m = kBeta1 * first_[i] + (1 - kBeta1) * g;
      const double v = kBeta2 * second_[i] + (1 - kBeta2) * g * g;
      first_[i] = static_cast<float>(m);
      second_[i] = static_cast<float>(v);
      const double by = rate * (m * correction1) / (std::sqrt(v * correction2) + kEpsilon);
      factors_[i] =
          std::clamp(factors_[i] - static_cast<float>(by), -kLargestFactor, kLargestFactor);
    }
  }

  const HealOptions& options_;
  std::vector<TrainRow> rows_;  // those to train on, then the held-out ones
  std::size_t n_train_;
  SoftTeacher teacher_;
  std::shared_ptr<Parameters> student_;
  TorchDecoder decoder_;
  std::vector<Trained> trained_;
  std::size_t n_factors_ = 0;
  std::vector<float> factors_, gradient_, first_, second_;
};

}  // namespace

HealedModel heal_scales(const std::filesystem::path& original, const Checkpoint& rounded,
                        const HealText& text, const HealOptions& options) {
  const auto device = prepare_torch(plan_options(options));
  return Healing(original, rounded, text, options, device).run();
}

}  // namespace limbeck::distill
