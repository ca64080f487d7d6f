#include "limbeck/distill/train_checks.h"

#include <fmt/format.h>

#include "limbeck/base/error.h"
#include "limbeck/base/sha256.h"
#include "limbeck/distill/lora_targets.h"
#include "limbeck/distill/train_options.h"
#include "limbeck/model/mixes.h"

namespace limbeck::distill {
namespace {

void in(std::string_view field, double value, double low, double high, bool open_low = false) {
  if (value >= low && value <= high && !(open_low && value == low)) return;
  fail(ErrorKind::usage, "{} is {}, it must be in {}{}, {}]", field, value, open_low ? '(' : '[',
       low, high);
}

template <typename T>
void add(Sha256& hash, const std::vector<T>& values) {
  hash.add(std::as_bytes(std::span(values)));
  hash.add("|");
}

}  // namespace

LossSpec loss_spec(const TrainOptions& o) {
  return {o.loss, o.jsd_beta, o.skew_alpha, o.soft_weight, o.temperature};
}

void check_options(const TrainOptions& o) {
  constexpr double kMany = 1e12;
  in("jsd_beta", o.jsd_beta, 0, 1);
  in("skew_alpha", o.skew_alpha, 0, 1);
  in("soft_weight", o.soft_weight, 0, 1);
  in("temperature", o.temperature, 0, 100, true);
  in("epochs", o.epochs, 0, 1e6, true);
  in("max_steps", static_cast<double>(o.max_steps), 0, kMany);
  in("batch_tokens", static_cast<double>(o.batch_tokens), 1, kMany);
  in("micro_tokens", static_cast<double>(o.micro_tokens), 1, kMany);
  in("learning_rate", o.learning_rate, 0, 10, true);
  in("final_learning_rate_ratio", o.final_learning_rate_ratio, 0, 1);
  in("weight_decay", o.weight_decay, 0, 10);
  in("beta1", o.beta1, 0, 0.9999999);
  in("beta2", o.beta2, 0, 0.9999999);
  in("epsilon", o.epsilon, 0, 1, true);
  in("ema", o.ema, 0, 0.999999);
  in("lora: r", static_cast<double>(o.lora.r), 0, 1 << 14);
  in("lora: alpha", o.lora.alpha, 0, 1e6);
  for (const auto& target : o.lora.targets) {
    if (lora_target(target).empty()) {
      fail(ErrorKind::usage, "lora: targets: '{}' is none of q, k, v, o, gate, up, down", target);
    }
  }
  in("hidden: weight", o.hidden.weight, 0, 1e6);
  in("attention: weight", o.attention.weight, 0, 1e6);
  if (o.attention.relations.empty() ||
      o.attention.relations.find_first_not_of("qkv") != std::string::npos) {
    fail(ErrorKind::usage, "attention: relations is '{}', it must name some of q, k, v (\"qv\")",
         o.attention.relations);
  }
  if (o.recompute && o.attention.weight > 0) {
    fail(ErrorKind::usage, "attention needs what recompute does not keep: set one of them alone");
  }
  const OnPolicyOptions& on = o.on_policy;
  in("on_policy: share", on.share, 0, 1);
  in("on_policy: lambda", on.lambda, 0, 1);
  in("on_policy: replay", on.replay, 0, 1);
  in("on_policy: refresh", static_cast<double>(on.refresh), 0, kMany);
  in("on_policy: max_tokens", static_cast<double>(on.max_tokens), 1, kMany);
  in("on_policy: temperature", on.temperature, 0, 100);
  in("on_policy: learning_rate_ratio", on.learning_rate_ratio, 0, 100);
  if (on.share > 0 &&
      (on.loss == Loss::uld || on.teacher_loss == Loss::uld || o.loss == Loss::uld)) {
    fail(ErrorKind::usage,
         "on_policy needs the teacher's distribution over the student's tokens: "
         "loss uld has none");
  }
  if (!o.quantize.type.empty()) {
    in("quantize: share", o.quantize.share, 0, 1, true);
    in("quantize: every", static_cast<double>(o.quantize.every), 1, kMany);
    if (!is_quantized(find_mix(o.quantize.type).base)) {
      fail_try(ErrorKind::usage, "name a type such as q2_k, q3_k_m or q4_0",
               "quantize: type '{}' is no rounding to train for", o.quantize.type);
    }
    if (o.lora.r > 0) {
      fail_try(ErrorKind::usage, "leave lora or quantize out",
               "quantize trains all weights on the grid, lora keeps them frozen");
    }
  }
  in("clip_norm", o.clip_norm, 0, kMany);
  in("warmup", o.warmup, 0, 1);
  in("checkpoint_seconds", o.checkpoint_seconds, 0, kMany);
  in("evaluations", static_cast<double>(o.evaluations), 0, kMany);
  in("patience", o.patience, 0, 1e6);
  if (o.schedule != "cosine" && o.schedule != "linear" && o.schedule != "constant") {
    fail(ErrorKind::usage, "schedule is '{}', it must be cosine, linear or constant", o.schedule);
  }
  if (o.device != "auto" && o.device != "cpu" && o.device != "cuda") {
    fail(ErrorKind::usage, "device is '{}', it must be auto, cpu or cuda", o.device);
  }
  if (o.save != "f32" && o.save != "bf16" && o.save != "f16") {
    fail(ErrorKind::usage, "save is '{}', it must be f32, bf16 or f16", o.save);
  }
}

void check_rows(std::span<const TrainRow> rows, const Architecture& a, const LossSpec& spec,
                std::string_view what) {
  if (rows.empty()) fail(ErrorKind::usage, "{}: there is nothing to train on", what);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const TrainRow& row = rows[i];
    const auto length = static_cast<std::int64_t>(row.tokens.size());
    if (length > a.context_length) {
      fail_try(ErrorKind::usage, "shorten the text or raise the model's context",
               "{} {}: {} tokens, the model's context is {}", what, i + 1, length,
               a.context_length);
    }
    if (row.first_target < 1 || row.first_target >= length) {
      fail(ErrorKind::usage, "{} {}: first target {} of {} tokens", what, i + 1, row.first_target,
           length);
    }
    for (const TokenId token : row.tokens) {
      if (token < 0 || token >= a.vocab_size) {
        fail(ErrorKind::usage, "{} {}: token {} is outside the vocabulary of {}", what, i + 1,
             token, a.vocab_size);
      }
    }
    if (row.soft.empty()) continue;
    if (static_cast<std::int64_t>(row.soft.size()) != length - row.first_target) {
      fail(ErrorKind::usage, "{} {}: {} soft labels for {} targets", what, i + 1, row.soft.size(),
           length - row.first_target);
    }
    for (const auto& soft : row.soft) check_soft_target(spec, soft, a.vocab_size);
  }
}

std::string run_identity(const TrainOptions& o, std::span<const TrainRow> rows,
                         const Parameters& parameters, const at::Tensor& frozen_weights,
                         const at::Tensor& teacher_weights) {
  Sha256 hash;
  Json decisive = to_json(o);
  for (const char* other : {"device", "save", "recompute"}) decisive.erase(other);
  hash.add("v2 ").add(to_text(decisive));
  for (const auto& slot : parameters.slots()) hash.add(slot.name);
  const auto weights = [&](const at::Tensor& flat) {
    if (!flat.defined()) return;
    const auto host = flat.to(at::kCPU).contiguous();
    hash.add(std::span(static_cast<const std::byte*>(host.data_ptr()),
                       static_cast<std::size_t>(host.nbytes())));
  };
  weights(parameters.value);
  weights(frozen_weights);
  weights(teacher_weights);
  for (const auto& row : rows) {
    add(hash, row.tokens);
    add(hash, row.teacher_prompt);
    hash.add(fmt::format("{}", row.first_target));
    for (const auto& soft : row.soft) {
      hash.add(fmt::format("{}", static_cast<int>(soft.kind)));
      add(hash, soft.ids);
      add(hash, soft.values);
    }
  }
  return hash.hex();
}

}  // namespace limbeck::distill
