#include "limbeck/model/hf_config.h"

#include <cmath>
#include <string>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"
#include "limbeck/model/families.h"
#include "limbeck/model/hf_rope.h"
#include "limbeck/model/packed_scheme.h"

namespace limbeck {
namespace {

struct ActivationName {
  std::string_view name;
  Activation activation;
};
// The first name of each is what is written.
constexpr ActivationName kActivations[] = {
    {"silu", Activation::silu},
    {"swish", Activation::silu},
    {"gelu", Activation::gelu},
    {"gelu_python", Activation::gelu},
    {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"gelu_new", Activation::gelu_tanh},
    {"gelu_fast", Activation::gelu_tanh},
    {"gelu_accurate", Activation::gelu_tanh},
};

void read_activation(Fields& fields, const FamilyInfo& info, Architecture& a) {
  // Early Gemma configurations use hidden_act.
  const std::string_view key = fields.has(info.activation_key) ? info.activation_key : "hidden_act";
  const std::string word = fields.text(key);
  if (word.empty()) return;
  for (const ActivationName& row : kActivations) {
    if (row.name == word) {
      a.activation = row.activation;
      return;
    }
  }
  fail(ErrorKind::unsupported,
       "{}: {} is '{}'; known are silu, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh",
       fields.where(), key, word);
}

// Keys of models that are not what these families are; silence would run them wrongly.
void refuse_unknown_kinds(Fields& fields) {
  for (const char* key : {"num_local_experts", "num_experts", "n_routed_experts"}) {
    if (fields.integer(key, 0) > 1) {
      fail(ErrorKind::unsupported, "{}: {}: mixture-of-experts models are not supported",
           fields.where(), key);
    }
  }
  if (fields.flag("scale_attn_by_inverse_layer_idx")) {
    fail(ErrorKind::unsupported, "{}: scale_attn_by_inverse_layer_idx is not supported",
         fields.where());
  }
}

void read_dimensions(Fields& fields, const FamilyInfo& info, Architecture& a) {
  const bool gpt2 = info.family == Family::gpt2;
  constexpr std::int64_t limit = std::int64_t{1} << 40;  // check() has the narrower ranges
  for (const IntegerField& row : integer_fields()) {
    const std::string_view key = gpt2 ? row.gpt2_config : row.config;
    if (key.empty()) continue;
    std::int64_t& member = a.*row.member;
    const bool optional =
        member != 0 || row.member == &Architecture::kv_heads || (gpt2 && key == "n_inner");
    member =
        optional ? fields.integer(key, member, 1, limit) : fields.required_integer(key, 1, limit);
  }
  if (a.kv_heads == 0) a.kv_heads = a.heads;
  if (a.ffn == 0) a.ffn = 4 * a.hidden;  // GPT-2's rule
  if (info.family != Family::phi3 && fields.has("head_dim")) {
    a.head_dim = fields.required_integer("head_dim", 1, limit);
  } else if (a.head_dim == 0) {
    if (a.hidden % a.heads != 0) {
      fail(ErrorKind::format, "{}: a hidden size of {} does not divide into {} attention heads",
           fields.where(), a.hidden, a.heads);
    }
    a.head_dim = a.hidden / a.heads;
  }
}

void read_biases(Fields& fields, const FamilyInfo& info, Architecture& a) {
  switch (info.family) {
    case Family::llama:
      a.ffn_bias = fields.flag("mlp_bias", false);
      [[fallthrough]];
    case Family::qwen3:
    case Family::gemma2:
    case Family::gemma3:
      a.qkv_bias = a.attn_output_bias = fields.flag("attention_bias", false);
      break;
    case Family::gpt_neox:
      a.qkv_bias = a.attn_output_bias = fields.flag("attention_bias", true);
      break;
    default:
      break;
  }
}

// layer_types lists each layer; the architecture knows only repeating patterns.
void read_layer_types(Fields& fields, Architecture& a) {
  if (!fields.has("layer_types")) return;
  const std::vector<std::string> types = fields.texts("layer_types");
  if (static_cast<std::int64_t>(types.size()) != a.layers) {
    fail(ErrorKind::format, "{}: layer_types has {} entries for {} layers", fields.where(),
         types.size(), a.layers);
  }
  bool any = false;
  for (const std::string& type : types) {
    any = any || type == "sliding_attention";
    if (type != "sliding_attention" && type != "full_attention") {
      fail(ErrorKind::unsupported, "{}: layer_types: '{}' is not supported", fields.where(), type);
    }
  }
  if (!any) {
    a.sliding_window = 0;
    a.sliding_pattern = 1;
    return;
  }
  if (a.sliding_window == 0) {
    fail(ErrorKind::format, "{}: layer_types has sliding layers but sliding_window is not set",
         fields.where());
  }
  const auto matches = [&] {
    for (std::int64_t i = 0; i < a.layers; ++i) {
      const bool sliding = types[static_cast<std::size_t>(i)] == "sliding_attention";
      if (a.slides(i) != sliding) return false;
    }
    return true;
  };
  if (matches()) return;  // the usual pattern of the family, longer than a small model
  for (a.sliding_pattern = 1; a.sliding_pattern <= a.layers; ++a.sliding_pattern) {
    if (matches()) return;
  }
  fail(ErrorKind::unsupported,
       "{}: layer_types: only patterns where each n-th layer is full_attention are supported",
       fields.where());
}

// An explicit null switches off what the class has on by default; Fields takes it for absence.
bool switched_off(const Json& config, const char* key) {
  return config.contains(key) && config[key].is_null();
}

void read_sliding_window(Fields& fields, const Json& config, const FamilyInfo& info,
                         Architecture& a) {
  constexpr std::int64_t limit = std::int64_t{1} << 40;
  if (switched_off(config, "sliding_window")) a.sliding_window = 0;
  switch (info.family) {
    case Family::qwen2:
    case Family::qwen3: {
      if (!fields.flag("use_sliding_window", false)) return;
      a.sliding_window = fields.integer("sliding_window", 4096, 1, limit);
      const std::int64_t first = fields.integer("max_window_layers", 28, 0, limit);
      if (fields.has("layer_types")) break;
      if (first >= a.layers) {
        a.sliding_window = 0;
      } else if (first > 0) {
        fail(ErrorKind::unsupported,
             "{}: max_window_layers {} of {} layers: a window on the last layers only is not "
             "supported",
             fields.where(), first, a.layers);
      }
      break;
    }
    case Family::mistral:
    case Family::phi3:
    case Family::gemma2:
    case Family::gemma3:
      a.sliding_window = fields.integer("sliding_window", a.sliding_window, 1, limit);
      if (info.family == Family::gemma3) {
        a.sliding_pattern = fields.integer("_sliding_window_pattern", a.sliding_pattern, 1, 4096);
        a.sliding_pattern = fields.integer("sliding_window_pattern", a.sliding_pattern, 1, 4096);
      }
      break;
    default:
      return;
  }
  read_layer_types(fields, a);
}

void read_scales(Fields& fields, const Json& config, const FamilyInfo& info, Architecture& a) {
  a.norm_epsilon = fields.number(info.epsilon_key, a.norm_epsilon, 0, 1);
  a.attention_scale = 1 / std::sqrt(static_cast<double>(a.head_dim));
  if (info.family == Family::gemma2 || info.family == Family::gemma3) {
    a.embedding_scale = std::sqrt(static_cast<double>(a.hidden));
    a.attention_scale = 1 / std::sqrt(fields.number("query_pre_attn_scalar", 256, 1e-6, 1e9));
    for (auto [key, cap] : {std::pair{"attn_logit_softcapping", &a.attention_softcap},
                            std::pair{"final_logit_softcapping", &a.logit_softcap}}) {
      *cap = switched_off(config, key) ? 0 : fields.number(key, *cap, 0, 1e6);
    }
  }
  if (info.family == Family::gpt2 && !fields.flag("scale_attn_weights", true)) {
    a.attention_scale = 1;
  }
  if (info.family == Family::gpt_neox) {
    a.parallel_residual = fields.flag("use_parallel_residual", true);
  }
}

const Json& text_part(const Json& config) {
  const bool composite = config.is_object() && config.contains("text_config") &&
                         config["text_config"].is_object() &&
                         config.value("model_type", Json()) == "gemma3";
  return composite ? config["text_config"] : config;
}

void write_scales(const Architecture& a, Json& out) {
  switch (a.family) {
    case Family::llama:
      out["attention_bias"] = a.qkv_bias;
      out["mlp_bias"] = a.ffn_bias;
      break;
    case Family::qwen3:
    case Family::gpt_neox:
      out["attention_bias"] = a.qkv_bias;
      break;
    case Family::gemma2:
    case Family::gemma3: {
      out["attention_bias"] = a.qkv_bias;
      const double scalar = 1 / (a.attention_scale * a.attention_scale);
      // The scale went through a square root: a whole number comes back whole.
      const double whole = std::round(scalar);
      if (std::abs(scalar - whole) < 1e-6 * scalar) {
        out["query_pre_attn_scalar"] = static_cast<std::int64_t>(whole);
      } else {
        out["query_pre_attn_scalar"] = scalar;
      }
      out["attn_logit_softcapping"] =
          a.attention_softcap > 0 ? Json(a.attention_softcap) : Json(nullptr);
      out["final_logit_softcapping"] = a.logit_softcap > 0 ? Json(a.logit_softcap) : Json(nullptr);
      break;
    }
    case Family::gpt2:
      out["n_ctx"] = a.context_length;
      out["scale_attn_weights"] = a.attention_scale != 1;
      break;
    default:
      break;
  }
  if (a.family == Family::gpt_neox) out["use_parallel_residual"] = a.parallel_residual;
}

void write_sliding_window(const Architecture& a, Json& out) {
  const bool qwen = a.family == Family::qwen2 || a.family == Family::qwen3;
  const bool gemma = a.family == Family::gemma2 || a.family == Family::gemma3;
  if (!qwen && !gemma && a.family != Family::mistral && a.family != Family::phi3) return;
  const bool slides = a.sliding_window > 0;
  out["sliding_window"] = slides ? Json(a.sliding_window) : Json(nullptr);
  if (qwen) out["use_sliding_window"] = slides;
  if (qwen && slides) out["max_window_layers"] = 0;
  if (a.family == Family::gemma3) out["sliding_window_pattern"] = a.sliding_pattern;
  if (!gemma && !(qwen && slides)) return;
  Json types = Json::array();
  for (std::int64_t i = 0; i < a.layers; ++i) {
    types.push_back(a.slides(i) ? "sliding_attention" : "full_attention");
  }
  out["layer_types"] = std::move(types);
}

}  // namespace

Architecture from_hf_config(const Json& config, std::string_view origin) {
  const Json& text = text_part(config);
  Fields fields(text, std::string(origin), ErrorKind::format);
  const std::string type = fields.required_text("model_type");
  const FamilyInfo* info = find_model_type(type);
  if (info == nullptr) {
    fail(ErrorKind::unsupported, "{}: model_type '{}' is not known; known are {}", origin, type,
         known_families());
  }
  refuse_unknown_kinds(fields);
  packed_scheme(config, origin);  // refused if its weights cannot be read
  Architecture a = info->defaults;
  read_dimensions(fields, *info, a);
  read_activation(fields, *info, a);
  read_biases(fields, *info, a);
  read_scales(fields, text, *info, a);
  read_hf_rope(fields, a);
  read_sliding_window(fields, text, *info, a);
  a.tied_embeddings = fields.flag("tie_word_embeddings", a.tied_embeddings);
  check(a, origin);
  return a;
}

Json hf_config(const Architecture& a) {
  const FamilyInfo& info = family_info(a.family);
  const bool gpt2 = a.family == Family::gpt2;
  Json out;
  out["architectures"] = {info.hf_class};
  out["model_type"] = info.model_type;
  for (const IntegerField& row : integer_fields()) {
    const std::string_view key = gpt2 ? row.gpt2_config : row.config;
    const bool no_groups = a.family == Family::gpt_neox && row.member == &Architecture::kv_heads;
    if (!key.empty() && !no_groups) out[std::string(key)] = a.*row.member;
  }
  if (!gpt2 && a.family != Family::gpt_neox && a.family != Family::phi3) {
    out["head_dim"] = a.head_dim;
  }
  // GPT-2's own files say gelu_new.
  std::string_view activation = gpt2 && a.activation == Activation::gelu_tanh ? "gelu_new" : "";
  for (const ActivationName& row : kActivations) {
    if (activation.empty() && row.activation == a.activation) activation = row.name;
  }
  out[std::string(info.activation_key)] = activation;
  out[std::string(info.epsilon_key)] = a.norm_epsilon;
  write_scales(a, out);
  write_sliding_window(a, out);
  write_hf_rope(a, out);
  out["tie_word_embeddings"] = a.tied_embeddings;
  out["use_cache"] = true;
  return out;
}

}  // namespace limbeck
