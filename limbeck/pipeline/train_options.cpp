// Training options to and from configuration.
#include <array>

#include "limbeck/pipeline/recipe.h"

namespace limbeck::pipeline {
namespace {

struct LossName {
  distill::Loss loss;
  const char* name;
};
constexpr std::array kLosses = {LossName{distill::Loss::forward_kl, "forward_kl"},
                                LossName{distill::Loss::reverse_kl, "reverse_kl"},
                                LossName{distill::Loss::jsd, "jsd"},
                                LossName{distill::Loss::skew_kl, "skew_kl"},
                                LossName{distill::Loss::skew_reverse_kl, "skew_reverse_kl"}};

const char* loss_name(distill::Loss loss) {
  for (const LossName& row : kLosses) {
    if (row.loss == loss) return row.name;
  }
  return "?";
}

distill::Loss read_loss(Fields& fields, distill::Loss fallback) {
  const std::string wanted = fields.text("loss", loss_name(fallback));
  std::vector<std::string> names;
  for (const LossName& row : kLosses) {
    if (wanted == row.name) return row.loss;
    names.emplace_back(row.name);
  }
  const std::string near = nearest(wanted, names);
  fail_try(ErrorKind::usage,
           near.empty() ? "one of forward_kl, reverse_kl, jsd, skew_kl, skew_reverse_kl"
                        : "did you mean " + near + "?",
           "{}: loss: '{}' is not known", fields.where(), wanted);
}

}  // namespace

distill::TrainOptions read_train_options(Fields& fields, distill::TrainOptions o) {
  o.loss = read_loss(fields, o.loss);
  o.jsd_beta = fields.number("jsd_beta", o.jsd_beta, 0, 1);
  o.skew_alpha = fields.number("skew_alpha", o.skew_alpha, 0, 1);
  o.soft_weight = fields.number("soft_weight", o.soft_weight, 0, 1);
  o.temperature = fields.number("temperature", o.temperature, 0.01, 100);
  o.epochs = fields.number("epochs", o.epochs, 0, 100'000);
  o.max_steps = fields.integer("max_steps", o.max_steps, 0);
  o.batch_tokens = fields.integer("batch_tokens", o.batch_tokens, 1);
  o.micro_tokens = fields.integer("micro_tokens", o.micro_tokens, 1);
  o.learning_rate = fields.number("learning_rate", o.learning_rate, 0, 1);
  o.final_learning_rate_ratio =
      fields.number("final_learning_rate_ratio", o.final_learning_rate_ratio, 0, 1);
  o.weight_decay = fields.number("weight_decay", o.weight_decay, 0, 10);
  o.beta1 = fields.number("beta1", o.beta1, 0, 0.9999999);
  o.beta2 = fields.number("beta2", o.beta2, 0, 0.9999999);
  o.clip_norm = fields.number("clip_norm", o.clip_norm, 0, 1e9);
  o.warmup = fields.number("warmup", o.warmup, 0, 1);
  o.schedule = fields.text("schedule", o.schedule);
  o.bf16 = fields.flag("bf16", o.bf16);
  o.device = fields.text("device", o.device);
  o.checkpoint_seconds = fields.number("checkpoint_seconds", o.checkpoint_seconds, 0, 1e9);
  o.evaluations = fields.integer("evaluations", o.evaluations, 0, 10'000);
  o.patience = static_cast<int>(fields.integer("patience", o.patience, 0, 10'000));
  return o;
}

Json to_json(const distill::TrainOptions& o) {
  return {{"loss", loss_name(o.loss)},
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
          {"clip_norm", o.clip_norm},
          {"warmup", o.warmup},
          {"schedule", o.schedule},
          {"bf16", o.bf16},
          {"device", o.device},
          {"evaluations", o.evaluations},
          {"patience", o.patience},
          {"seed", o.seed}};
}

}  // namespace limbeck::pipeline
