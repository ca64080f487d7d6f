#include "limbeck/distill/train_options.h"

#include <string>
#include <utility>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/distill/lora_targets.h"

namespace limbeck::distill {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 40;

constexpr std::pair<Loss, std::string_view> kLosses[] = {
    {Loss::forward_kl, "forward_kl"},
    {Loss::reverse_kl, "reverse_kl"},
    {Loss::jsd, "jsd"},
    {Loss::skew_kl, "skew_kl"},
    {Loss::skew_reverse_kl, "skew_reverse_kl"}};

LoraOptions read_lora(Fields f, LoraOptions o) {
  o.r = f.integer("r", o.r > 0 ? o.r : 16, 1, 1 << 14);
  o.alpha = f.number("alpha", o.alpha, 0, 1e6);
  if (f.has("targets")) o.targets = f.texts("targets");
  for (const auto& target : o.targets) {
    if (lora_target(target).empty()) {
      f.refuse("targets",
               fmt::format("names '{}', which is none of q, k, v, o, gate, up, down", target));
    }
  }
  f.refuse_unknown();
  return o;
}

}  // namespace

std::string_view name(Loss loss) noexcept { return kLosses[static_cast<std::size_t>(loss)].second; }

Loss parse_loss(std::string_view name, std::string_view where) {
  std::vector<std::string> known;
  for (const auto& [loss, loss_name] : kLosses) {
    if (loss_name == name) return loss;
    known.emplace_back(loss_name);
  }
  const auto near = nearest(name, known);
  fail_try(ErrorKind::usage,
           near.empty() ? "use forward_kl" : fmt::format("did you mean '{}'?", near),
           "{}: loss: '{}' is none of forward_kl, reverse_kl, jsd, skew_kl, skew_reverse_kl", where,
           name);
}

TrainOptions read_train_options(Fields& f, TrainOptions o) {
  o.loss = parse_loss(f.text("loss", std::string(name(o.loss))), f.where());
  o.jsd_beta = f.number("jsd_beta", o.jsd_beta, 0, 1);
  o.skew_alpha = f.number("skew_alpha", o.skew_alpha, 0, 1);
  o.soft_weight = f.number("soft_weight", o.soft_weight, 0, 1);
  o.temperature = f.number("temperature", o.temperature, 1e-3, 100);
  if (const Json* lora = f.find("lora")) o.lora = read_lora({*lora, f.where() + ": lora"}, o.lora);
  o.epochs = f.number("epochs", o.epochs, 1e-6, 1e6);
  o.max_steps = f.integer("max_steps", o.max_steps, 0, kMost);
  o.batch_tokens = f.integer("batch_tokens", o.batch_tokens, 1, kMost);
  o.micro_tokens = f.integer("micro_tokens", o.micro_tokens, 1, kMost);
  o.learning_rate = f.number("learning_rate", o.learning_rate, 0, 10);
  o.final_learning_rate_ratio =
      f.number("final_learning_rate_ratio", o.final_learning_rate_ratio, 0, 1);
  o.weight_decay = f.number("weight_decay", o.weight_decay, 0, 10);
  o.beta1 = f.number("beta1", o.beta1, 0, 1);
  o.beta2 = f.number("beta2", o.beta2, 0, 1);
  o.epsilon = f.number("epsilon", o.epsilon, 0, 1);
  o.clip_norm = f.number("clip_norm", o.clip_norm, 0);
  o.warmup = f.number("warmup", o.warmup, 0, 1);
  o.schedule = f.text("schedule", o.schedule);
  o.ema = f.number("ema", o.ema, 0, 0.999999);
  o.bf16 = f.flag("bf16", o.bf16);
  o.recompute = f.flag("recompute", o.recompute);
  o.tensorboard = f.flag("tensorboard", o.tensorboard);
  o.device = f.text("device", o.device);
  o.checkpoint_seconds = f.number("checkpoint_seconds", o.checkpoint_seconds, 0);
  o.evaluations = f.integer("evaluations", o.evaluations, 0, kMost);
  o.patience = static_cast<int>(f.integer("patience", o.patience, 0, 1 << 20));
  o.save = f.text("save", o.save);
  return o;
}

Json to_json(const TrainOptions& o) {
  Json json = {{"loss", name(o.loss)},
               {"jsd_beta", o.jsd_beta},
               {"skew_alpha", o.skew_alpha},
               {"soft_weight", o.soft_weight},
               {"temperature", o.temperature},
               {"epochs", o.epochs},
               {"max_steps", o.max_steps},
               {"batch_tokens", o.batch_tokens},
               {"micro_tokens", o.micro_tokens},
               {"learning_rate", o.learning_rate},
               {"final_learning_rate_ratio", o.final_learning_rate_ratio},
               {"weight_decay", o.weight_decay},
               {"beta1", o.beta1},
               {"beta2", o.beta2},
               {"epsilon", o.epsilon},
               {"clip_norm", o.clip_norm},
               {"warmup", o.warmup},
               {"schedule", o.schedule},
               {"ema", o.ema},
               {"bf16", o.bf16},
               {"recompute", o.recompute},
               {"device", o.device},
               {"evaluations", o.evaluations},
               {"patience", o.patience},
               {"save", o.save},
               {"seed", o.seed}};
  if (o.lora.r > 0) {
    json["lora"] = {{"r", o.lora.r}, {"alpha", o.lora.alpha}, {"targets", o.lora.targets}};
  }
  return json;
}

}  // namespace limbeck::distill
