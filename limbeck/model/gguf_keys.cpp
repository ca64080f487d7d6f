#include "limbeck/model/gguf_keys.h"

#include <fmt/core.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "limbeck/base/error.h"
#include "limbeck/model/families.h"
#include "limbeck/model/rope.h"

namespace limbeck {
namespace {

using Kind = RopeScaling::Kind;

bool is_gemma(const Architecture& a) {
  return a.family == Family::gemma2 || a.family == Family::gemma3;
}

// The shortest decimal that is this float: 1e-5 was meant, not 9.99999975e-06.
double shortest(float value) { return std::strtod(fmt::format("{}", value).c_str(), nullptr); }

// Keys "<architecture>.<name>" of one file.
class Keys {
 public:
  Keys(const GgufReader& file, std::string_view architecture)
      : file_(file), prefix_(std::string(architecture) + ".") {}

  std::int64_t integer(std::string_view key, std::int64_t fallback) const {
    return file_.integer(prefix_ + std::string(key)).value_or(fallback);
  }
  std::int64_t required(std::string_view key) const {
    const auto found = file_.integer(prefix_ + std::string(key));
    if (!found) fail(ErrorKind::format, "{}: key {}{} is missing", file_.origin(), prefix_, key);
    return *found;
  }
  double number(std::string_view key, double fallback) const {
    const GgufValue* held = value(key);
    if (held != nullptr && std::holds_alternative<float>(*held)) {
      return shortest(std::get<float>(*held));
    }
    return file_.number(prefix_ + std::string(key)).value_or(fallback);
  }
  const std::string* text(std::string_view key) const {
    return file_.text(prefix_ + std::string(key));
  }
  bool flag(std::string_view key, bool fallback) const {
    return file_.flag(prefix_ + std::string(key)).value_or(fallback);
  }
  // nullptr where the key is absent or no single number (newer files hold one per layer).
  const GgufValue* value(std::string_view key) const {
    return file_.value(prefix_ + std::string(key));
  }

 private:
  const GgufReader& file_;
  std::string prefix_;
};

std::int64_t vocabulary(const GgufReader& file, const Keys& keys) {
  if (const StoredTensor* embedding = file.find("token_embd.weight")) {
    if (!embedding->shape.empty()) return embedding->shape[0];
  }
  if (const auto* tokens = file.array<std::string>("tokenizer.ggml.tokens")) {
    return static_cast<std::int64_t>(tokens->size());
  }
  return keys.required("vocab_size");
}

void read_dimensions(const GgufReader& file, const Keys& keys, Architecture& a) {
  for (const IntegerField& row : integer_fields()) {
    if (row.member == &Architecture::vocab_size) {
      a.vocab_size = vocabulary(file, keys);
    } else if (row.member == &Architecture::kv_heads) {
      a.kv_heads = keys.integer(row.gguf, a.heads);
    } else {
      a.*row.member = keys.required(row.gguf);
    }
  }
  if (a.heads <= 0) {
    fail(ErrorKind::format, "{}: attention.head_count is {}", file.origin(), a.heads);
  }
  a.head_dim = keys.integer("attention.key_length", a.hidden / a.heads);
  if (keys.integer("attention.value_length", a.head_dim) != a.head_dim) {
    fail(ErrorKind::unsupported, "{}: attention.value_length differs from attention.key_length",
         file.origin());
  }
}

std::vector<double> factors(const GgufReader& file, std::string_view name, std::int64_t n) {
  std::vector<double> out;
  const StoredTensor* tensor = file.find(name);
  if (tensor == nullptr) return out;
  if (tensor->type != TensorType::f32 || tensor->shape != Shape{n}) {
    fail(ErrorKind::format, "{}: tensor '{}' must be f32 [{}]", file.origin(), name, n);
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    float value = 0;
    std::memcpy(&value, tensor->bytes.data() + i * sizeof value, sizeof value);
    if (!(value > 0) || !std::isfinite(value)) {
      fail(ErrorKind::format, "{}: tensor '{}' holds {} at {}", file.origin(), name, value, i);
    }
    out.push_back(shortest(value));
  }
  return out;
}

void read_rope_scaling(const GgufReader& file, const Keys& keys, Architecture& a) {
  RopeScaling& s = a.rope_scaling;
  s.factor = keys.number("rope.scaling.factor", keys.number("rope.scale_linear", 1));
  if (s.factor == 0) s.factor = 1;
  s.original_context = keys.integer("rope.scaling.original_context_length", 0);
  const std::string* word = keys.text("rope.scaling.type");
  const auto long_factors = factors(file, "rope_factors_long.weight", a.rope_dim / 2);
  if (!long_factors.empty()) {
    s.kind = Kind::longrope;
    s.factor = 1;
    s.long_factors = long_factors;
    s.short_factors = factors(file, "rope_factors_short.weight", a.rope_dim / 2);
    s.attention_factor = keys.number("rope.scaling.attn_factor", 0);
    if (s.original_context == 0) s.original_context = a.context_length;
    return;
  }
  const auto frequencies = factors(file, "rope_freqs.weight", a.rope_dim / 2);
  if (!frequencies.empty()) {
    s = scaling_from_factors(a, frequencies);
    return;
  }
  if (word != nullptr && *word == "yarn") {
    s.kind = Kind::yarn;
    if (s.original_context == 0) s.original_context = a.context_length;
    s.beta_fast = keys.number("rope.scaling.yarn_beta_fast", 32);
    s.beta_slow = keys.number("rope.scaling.yarn_beta_slow", 1);
    // llama.cpp multiplies this key with YaRN's own magnitude.
    const double extra = keys.number("rope.scaling.attn_factor", 1);
    if (extra != 1) s.attention_factor = extra * default_attention_factor(s, a.context_length);
    return;
  }
  if (word != nullptr && *word != "linear" && *word != "none" && *word != "longrope") {
    fail(ErrorKind::unsupported, "{}: rope.scaling.type '{}' is not supported", file.origin(),
         *word);
  }
  s.original_context = 0;
  const bool linear = (word == nullptr || *word == "linear") && s.factor != 1;
  if (linear) s.kind = Kind::linear;
  if (!linear) s.factor = 1;
}

void read_rope(const GgufReader& file, const Keys& keys, Architecture& a) {
  if (a.positions != Positions::rope) return;
  a.rope_dim = keys.integer("rope.dimension_count", a.head_dim);
  if (a.rope_dim < 2 || a.rope_dim > a.head_dim) {
    fail(ErrorKind::format, "{}: rope.dimension_count is {}, heads have {} dimensions",
         file.origin(), a.rope_dim, a.head_dim);
  }
  a.rope_theta = keys.number("rope.freq_base", 10000);
  if (a.rope_theta_local > 0) {
    a.rope_theta_local = keys.number("rope.freq_base_swa", a.rope_theta_local);
  }
  read_rope_scaling(file, keys, a);
}

void read_sliding_window(const Keys& keys, Architecture& a) {
  const std::int64_t fallback = a.family == Family::gemma2 ? a.sliding_window : 0;
  a.sliding_window = keys.integer("attention.sliding_window", fallback);
  const GgufValue* pattern = keys.value("attention.sliding_window_pattern");
  if (a.family == Family::gemma3 && pattern != nullptr &&
      std::holds_alternative<std::uint32_t>(*pattern)) {
    a.sliding_pattern = std::get<std::uint32_t>(*pattern);
  }
  if (a.family == Family::llama && a.sliding_window > 0) a.family = Family::mistral;
}

void read_biases(const GgufReader& file, Architecture& a) {
  const auto has = [&](const char* name) { return file.find(name) != nullptr; };
  a.qkv_bias = has("blk.0.attn_q.bias") || has("blk.0.attn_qkv.bias");
  a.attn_output_bias = has("blk.0.attn_output.bias");
  a.ffn_bias = has("blk.0.ffn_up.bias");
}

void refuse_what_llama_cpp_cannot(const Architecture& a, const FamilyInfo& info) {
  const auto refuse = [&](bool bad, std::string_view what) {
    if (bad) {
      fail_try(ErrorKind::unsupported, "write a Hugging Face folder instead",
               "a GGUF file cannot say that a {} model has {}", info.name, what);
    }
  };
  refuse(a.activation != info.defaults.activation, "another activation function");
  refuse(std::abs(a.attention_scale / gguf_attention_scale(a) - 1) > 1e-6, "this attention scale");
  if (!info.gguf_biases) {
    refuse(a.qkv_bias != info.defaults.qkv_bias, "other query, key and value biases");
    refuse(a.attn_output_bias != info.defaults.attn_output_bias, "another output bias");
    refuse(a.ffn_bias != info.defaults.ffn_bias, "other feed-forward biases");
  }
  refuse(info.gguf_interleaved && a.rope_dim != a.head_dim, "partially rotated heads");
  refuse(info.gguf_fused_qkv && a.heads * a.head_dim != a.hidden,
         "heads that do not fill the hidden size");
  refuse(a.family == Family::gemma2 && a.sliding_pattern != 2, "another sliding pattern");
  refuse(a.family == Family::gemma2 && (a.attention_softcap == 0 || a.logit_softcap == 0),
         "no soft caps");
}

void add_rope(const Architecture& a, const std::string& prefix, GgufMetadata& out) {
  if (a.positions != Positions::rope) return;
  const auto f32 = [](double value) { return static_cast<float>(value); };
  out.emplace_back(prefix + "rope.dimension_count", static_cast<std::uint32_t>(a.rope_dim));
  out.emplace_back(prefix + "rope.freq_base", f32(a.rope_theta));
  if (a.rope_theta_local > 0) {
    out.emplace_back(prefix + "rope.freq_base_swa", f32(a.rope_theta_local));
  }
  const RopeScaling& s = a.rope_scaling;
  const std::string scaling = prefix + "rope.scaling.";
  const auto context = static_cast<std::uint32_t>(s.original_context);
  switch (s.kind) {
    case Kind::none:
    case Kind::llama3:
      return;  // rope_freqs.weight holds llama3's factors
    case Kind::linear:
      out.emplace_back(scaling + "type", std::string("linear"));
      out.emplace_back(scaling + "factor", f32(s.factor));
      return;
    case Kind::yarn:
      out.emplace_back(scaling + "type", std::string("yarn"));
      out.emplace_back(scaling + "factor", f32(s.factor));
      out.emplace_back(scaling + "original_context_length", context);
      out.emplace_back(scaling + "yarn_beta_fast", f32(s.beta_fast));
      out.emplace_back(scaling + "yarn_beta_slow", f32(s.beta_slow));
      if (s.attention_factor > 0) {
        const double own = default_attention_factor(s, a.context_length);
        out.emplace_back(scaling + "attn_factor", f32(s.attention_factor / own));
      }
      return;
    case Kind::longrope: {
      const double magnitude = s.attention_factor > 0
                                   ? s.attention_factor
                                   : default_attention_factor(s, a.context_length);
      out.emplace_back(scaling + "type", std::string("longrope"));
      out.emplace_back(scaling + "original_context_length", context);
      out.emplace_back(scaling + "attn_factor", f32(magnitude));
      return;
    }
  }
}

}  // namespace

double gguf_attention_scale(const Architecture& a) {
  const bool largest = (a.family == Family::gemma2 && a.layers == 46) ||
                       (a.family == Family::gemma3 && a.layers == 62);  // the 27B models
  const double width = largest ? static_cast<double>(a.hidden) / static_cast<double>(a.heads)
                               : static_cast<double>(a.head_dim);
  return 1 / std::sqrt(width);
}

Architecture from_gguf(const GgufReader& file) {
  const std::string* word = file.text("general.architecture");
  if (word == nullptr) {
    fail(ErrorKind::format, "{}: key general.architecture is missing", file.origin());
  }
  const FamilyInfo* info = find_gguf_architecture(*word);
  if (info == nullptr) {
    fail(ErrorKind::unsupported, "{}: architecture '{}' is not known; known are {}", file.origin(),
         *word, known_families());
  }
  if (file.integer("split.count").value_or(1) > 1) {
    fail_try(ErrorKind::unsupported, "merge the parts into one file first",
             "{}: this file is one part of {}", file.origin(), *file.integer("split.count"));
  }
  const Keys keys(file, *word);
  if (keys.integer("expert_count", 0) > 0) {
    fail(ErrorKind::unsupported, "{}: mixture-of-experts models are not supported", file.origin());
  }
  Architecture a = info->defaults;
  if (const std::string* title = file.text("general.name")) a.name = *title;
  read_dimensions(file, keys, a);
  if (a.norm == NormKind::rms_plus_one) a.norm = NormKind::rms;  // the file holds 1 + w
  if (a.norm == NormKind::layer) {
    a.norm_epsilon = keys.number("attention.layer_norm_epsilon", a.norm_epsilon);
  } else {
    a.norm_epsilon = keys.number("attention.layer_norm_rms_epsilon", a.norm_epsilon);
  }
  a.rope_style = info->gguf_interleaved ? RopeStyle::interleaved : RopeStyle::half;
  read_rope(file, keys, a);
  read_sliding_window(keys, a);
  read_biases(file, a);
  if (is_gemma(a)) a.embedding_scale = std::sqrt(static_cast<double>(a.hidden));
  a.attention_scale = gguf_attention_scale(a);
  a.attention_softcap = keys.number("attn_logit_softcapping", a.attention_softcap);
  a.logit_softcap = keys.number("final_logit_softcapping", a.logit_softcap);
  a.parallel_residual = keys.flag("use_parallel_residual", a.parallel_residual);
  a.tied_embeddings = file.find("output.weight") == nullptr;
  check(a, file.origin());
  return a;
}

GgufMetadata gguf_keys(const Architecture& a) {
  const FamilyInfo& info = family_info(a.family);
  refuse_what_llama_cpp_cannot(a, info);
  const std::string prefix = std::string(info.gguf) + ".";
  GgufMetadata out;
  out.emplace_back("general.architecture", std::string(info.gguf));
  for (const IntegerField& row : integer_fields()) {
    out.emplace_back(prefix + std::string(row.gguf), static_cast<std::uint32_t>(a.*row.member));
  }
  out.emplace_back(prefix + "attention.key_length", static_cast<std::uint32_t>(a.head_dim));
  out.emplace_back(prefix + "attention.value_length", static_cast<std::uint32_t>(a.head_dim));
  out.emplace_back(prefix + (a.norm == NormKind::layer ? "attention.layer_norm_epsilon"
                                                       : "attention.layer_norm_rms_epsilon"),
                   static_cast<float>(a.norm_epsilon));
  if (a.sliding_window > 0 || a.family == Family::phi3) {
    out.emplace_back(prefix + "attention.sliding_window",
                     static_cast<std::uint32_t>(a.sliding_window));
  }
  if (a.family == Family::gemma3) {
    out.emplace_back(prefix + "attention.sliding_window_pattern",
                     static_cast<std::uint32_t>(a.sliding_pattern));
  }
  if (a.family == Family::gemma2) {
    out.emplace_back(prefix + "attn_logit_softcapping", static_cast<float>(a.attention_softcap));
  }
  if (is_gemma(a) && a.logit_softcap > 0) {
    out.emplace_back(prefix + "final_logit_softcapping", static_cast<float>(a.logit_softcap));
  }
  if (a.family == Family::gpt_neox) {
    out.emplace_back(prefix + "use_parallel_residual", a.parallel_residual);
  }
  add_rope(a, prefix, out);
  return out;
}

}  // namespace limbeck
