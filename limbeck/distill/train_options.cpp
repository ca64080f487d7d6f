#include "limbeck/distill/train_options.h"

#include <string>
#include <utility>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/distill/lora_targets.h"
#include "limbeck/model/mixes.h"

namespace limbeck::distill {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 40;

constexpr std::pair<Loss, std::string_view> kLosses[] = {{Loss::forward_kl, "forward_kl"},
                                                         {Loss::reverse_kl, "reverse_kl"},
                                                         {Loss::jsd, "jsd"},
                                                         {Loss::skew_kl, "skew_kl"},
                                                         {Loss::skew_reverse_kl, "skew_reverse_kl"},
                                                         {Loss::uld, "uld"}};

using LayerPairs = std::vector<std::pair<std::int64_t, std::int64_t>>;

// [[student's, teacher's], ..], from 1.
LayerPairs read_layers(Fields& f) {
  LayerPairs pairs;
  const Json* json = f.find("layers");
  if (!json) return pairs;
  const auto whole = [](const Json& x) { return x.is_number_integer(); };
  if (!json->is_array()) f.refuse("layers", "must be a list of [student's layer, teacher's layer]");
  for (const Json& pair : *json) {
    if (!pair.is_array() || pair.size() != 2 || !whole(pair[0]) || !whole(pair[1])) {
      f.refuse("layers", "must be a list of [student's layer, teacher's layer]");
    }
    pairs.emplace_back(pair[0].get<std::int64_t>(), pair[1].get<std::int64_t>());
  }
  return pairs;
}

TrainOptions::Hidden read_hidden(Fields f, TrainOptions::Hidden o) {
  o.weight = f.number("weight", 1, 0, 1e6);
  const auto kind = f.text("kind", o.cosine ? "cosine" : "mse");
  if (kind != "mse" && kind != "cosine") f.refuse("kind", "must be mse or cosine");
  o.cosine = kind == "cosine";
  o.layers = read_layers(f);
  f.refuse_unknown();
  return o;
}

TrainOptions::Attention read_attention(Fields f, TrainOptions::Attention o) {
  o.weight = f.number("weight", 1, 0, 1e6);
  o.relations = f.text("relations", o.relations);
  o.heads = f.integer("heads", o.heads, 0, 1 << 16);
  o.layers = read_layers(f);
  f.refuse_unknown();
  return o;
}

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

OnPolicyOptions read_on_policy(Fields f, OnPolicyOptions o) {
  o.share = f.number("share", o.share > 0 ? o.share : 0.2, 0, 1);
  o.loss = parse_loss(f.text("loss", std::string(name(o.loss))), f.where());
  o.lambda = f.number("lambda", o.lambda, 0, 1);
  o.pair = f.flag("pair", o.pair);
  if (f.has("teacher_loss")) o.teacher_loss = parse_loss(f.text("teacher_loss"), f.where());
  o.replay = f.number("replay", o.replay, 0, 1);
  o.refresh = f.integer("refresh", o.refresh, 0, kMost);
  o.max_tokens = f.integer("max_tokens", o.max_tokens, 1, 1 << 20);
  o.temperature = f.number("temperature", o.temperature, 0, 100);
  o.learning_rate_ratio = f.number("learning_rate_ratio", o.learning_rate_ratio, 0, 100);
  f.refuse_unknown();
  return o;
}

// A type alone, or with its other keys.
TrainOptions::QuantizeAware read_quantize(const Json& json, const std::string& where,
                                          TrainOptions::QuantizeAware o) {
  if (json.is_string()) {
    o.type = find_mix(json.get<std::string>()).name;
    return o;
  }
  Fields f(json, where);
  o.type = find_mix(f.required_text("type")).name;
  o.share = f.number("share", o.share, 0, 1);
  o.every = f.integer("every", o.every, 1, kMost);
  f.refuse_unknown();
  return o;
}

Json describe(const OnPolicyOptions& o) {
  Json json = {{"share", o.share},
               {"loss", name(o.loss)},
               {"lambda", o.lambda},
               {"pair", o.pair},
               {"replay", o.replay},
               {"refresh", o.refresh},
               {"max_tokens", o.max_tokens},
               {"temperature", o.temperature},
               {"learning_rate_ratio", o.learning_rate_ratio}};
  if (o.teacher_loss) json["teacher_loss"] = name(*o.teacher_loss);
  return json;
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
           "{}: loss: '{}' is none of forward_kl, reverse_kl, jsd, skew_kl, skew_reverse_kl, uld",
           where, name);
}

TrainOptions read_train_options(Fields& f, TrainOptions o) {
  o.loss = parse_loss(f.text("loss", std::string(name(o.loss))), f.where());
  o.jsd_beta = f.number("jsd_beta", o.jsd_beta, 0, 1);
  o.skew_alpha = f.number("skew_alpha", o.skew_alpha, 0, 1);
  o.soft_weight = f.number("soft_weight", o.soft_weight, 0, 1);
  o.temperature = f.number("temperature", o.temperature, 1e-3, 100);
  if (const Json* lora = f.find("lora")) o.lora = read_lora({*lora, f.where() + ": lora"}, o.lora);
  if (const Json* hidden = f.find("hidden")) {
    o.hidden = read_hidden({*hidden, f.where() + ": hidden"}, o.hidden);
  }
  if (const Json* attention = f.find("attention")) {
    o.attention = read_attention({*attention, f.where() + ": attention"}, o.attention);
  }
  if (const Json* phase = f.find("on_policy")) {
    o.on_policy = read_on_policy({*phase, f.where() + ": on_policy"}, o.on_policy);
  }
  if (const Json* quantize = f.find("quantize")) {
    o.quantize = read_quantize(*quantize, f.where() + ": quantize", o.quantize);
  }
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
  if (o.hidden.weight > 0) {
    json["hidden"] = {{"weight", o.hidden.weight},
                      {"kind", o.hidden.cosine ? "cosine" : "mse"},
                      {"layers", o.hidden.layers}};
  }
  if (o.attention.weight > 0) {
    json["attention"] = {{"weight", o.attention.weight},
                         {"relations", o.attention.relations},
                         {"heads", o.attention.heads},
                         {"layers", o.attention.layers}};
  }
  if (!o.quantize.type.empty()) {
    json["quantize"] = {
        {"type", o.quantize.type}, {"share", o.quantize.share}, {"every", o.quantize.every}};
  }
  if (o.on_policy.share > 0) json["on_policy"] = describe(o.on_policy);
  return json;
}

}  // namespace limbeck::distill
