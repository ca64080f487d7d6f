#include "limbeck/model/mixes.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "limbeck/base/error.h"
#include "limbeck/base/fields.h"
#include "limbeck/model/families.h"

namespace limbeck {
namespace {

using enum TensorType;

constexpr Mix kMixes[] = {
    {"f32", f32, 0},        {"f16", f16, 1},          {"bf16", bf16, 32},
    {"q8_0", q8_0, 7},      {"q6_k", q6_k, 18},       {"q5_k_m", q5_k, 17},
    {"q5_k_s", q5_k, 16},   {"q5_1", q5_1, 9},        {"q5_0", q5_0, 8},
    {"q4_k_m", q4_k, 15},   {"q4_k_s", q4_k, 14},     {"iq4_nl", iq4_nl, 25},
    {"iq4_xs", iq4_xs, 30}, {"q4_1", q4_1, 3},        {"q4_0", q4_0, 2},
    {"mxfp4", mxfp4, 38},   {"q3_k_l", q3_k, 13},     {"q3_k_m", q3_k, 12},
    {"q3_k_s", q3_k, 11},   {"iq3_m", iq3_s, 27},     {"iq3_s", iq3_s, 26},
    {"iq3_xs", iq3_s, 22},  {"iq3_xxs", iq3_xxs, 23}, {"q2_k", q2_k, 10},
    {"q2_k_s", q2_k, 21},   {"iq2_m", iq2_s, 29},     {"iq2_s", iq2_xs, 28},
    {"iq2_xs", iq2_xs, 20}, {"iq2_xxs", iq2_xxs, 19}, {"tq2_0", tq2_0, 37},
    {"tq1_0", tq1_0, 36},
};

struct Alias {
  std::string_view name, means;
};
constexpr Alias kAliases[] = {{"q3_k", "q3_k_m"}, {"q4_k", "q4_k_m"}, {"q5_k", "q5_k_m"}};

struct Suffix {
  std::string_view name;
  Role role;
};
constexpr Suffix kLayerTensors[] = {
    {"attn_q.weight", Role::attn_q},     {"attn_k.weight", Role::attn_k},
    {"attn_v.weight", Role::attn_v},     {"attn_output.weight", Role::attn_output},
    {"ffn_gate.weight", Role::ffn_gate}, {"ffn_up.weight", Role::ffn_up},
    {"ffn_down.weight", Role::ffn_down},
};

// What the rules look at.
struct Place {
  std::string_view mix;
  TensorType base;
  std::int64_t layer, layers;
  bool grouped;  // at least 4 query heads share a key-value head
  bool importance;

  template <typename... Names>
  bool is(Names... names) const {
    return ((mix == names) || ...);
  }
  bool low() const { return is("iq2_xxs", "iq2_xs", "iq2_s", "iq2_m"); }
  // The first and last eighth of the layers, and each third between.
  bool more_bits() const {
    return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
  }
};

TensorType output_type(const Place& at, std::int64_t columns) {
  const auto block = static_cast<std::int64_t>(info(at.base).block_weights);
  if (columns % block != 0) return q8_0;
  if (at.low() || at.is("iq3_xxs")) return q5_k;
  return at.base == q8_0 ? q8_0 : q6_k;
}

TensorType embedding_type(const Place& at) {
  if (at.is("iq2_xxs", "iq2_xs")) return q2_k;
  if (at.is("iq2_s", "iq2_m", "iq3_xxs")) return iq3_s;
  if (at.is("tq1_0", "tq2_0")) return q4_k;
  return at.base;
}

TensorType value_type(const Place& at) {
  if (at.low()) return at.grouped ? q4_k : at.is("iq2_s", "iq2_m") ? iq3_s : q2_k;
  if (at.is("q2_k")) return at.grouped ? q4_k : q3_k;
  if (at.is("q2_k_s") && at.grouped) return q4_k;
  if (at.is("iq3_xxs")) return at.grouped ? q4_k : at.importance ? iq3_xxs : iq3_s;
  if (at.is("iq3_xs", "iq3_s") && at.grouped) return q4_k;
  if (at.is("iq3_m")) return q4_k;
  if (at.is("q3_k_m")) return at.layer < 2 ? q5_k : q4_k;
  if (at.is("q3_k_l")) return q5_k;
  if (at.is("iq4_nl", "iq4_xs") && at.grouped) return q5_k;
  if (at.is("q4_k_m", "q5_k_m") && at.more_bits()) return q6_k;
  if (at.is("q4_k_s") && at.layer < 4) return q5_k;
  return at.base;
}

TensorType query_or_key_type(const Place& at) {
  if (at.is("iq3_xs")) return iq3_xxs;
  if (at.is("iq3_xxs")) return iq2_s;
  return at.base;
}

TensorType down_type(const Place& at) {
  const bool first_eighth = at.layer < at.layers / 8;
  if (at.low()) return !first_eighth ? at.base : at.is("iq2_s", "iq2_m") ? iq3_s : q2_k;
  if (at.is("q2_k")) return q3_k;
  if (at.is("q2_k_s")) return first_eighth ? q4_k : at.base;
  if (at.is("iq3_xxs") && !at.importance) return first_eighth ? q4_k : q3_k;
  if (at.is("q3_k_m")) return at.layer < at.layers / 16 ? q5_k : q4_k;
  if (at.is("iq3_m") && first_eighth) return q4_k;
  if (at.is("q3_k_l")) return q5_k;
  if (at.is("q4_k_m", "q5_k_m") && at.more_bits()) return q6_k;
  if (at.is("iq4_nl", "iq4_xs") && first_eighth && !at.importance) return q5_k;
  if (at.is("q4_k_s") && first_eighth) return q5_k;
  if (at.is("q4_0") && at.importance && first_eighth) return q4_1;
  if (at.is("q5_0") && at.importance && first_eighth) return q5_1;
  return at.base;
}

TensorType attention_output_type(const Place& at) {
  if (at.is("iq2_s", "iq2_m", "iq3_xxs")) return iq3_s;
  if (at.is("q2_k")) return q3_k;
  if (at.is("q3_k_m", "iq3_m")) return q4_k;
  if (at.is("q3_k_l")) return q5_k;
  return at.base;
}

TensorType fused_qkv_type(const Place& at) {
  if (at.is("q3_k_m", "q3_k_l", "iq3_m")) return q4_k;
  if (at.is("q4_k_m")) return q5_k;
  if (at.is("q5_k_m")) return q6_k;
  return at.base;
}

TensorType gate_or_up_type(const Place& at) {
  const bool middle = at.layer >= at.layers / 8 && at.layer < 7 * at.layers / 8;
  return at.is("iq3_xs") && middle ? iq3_xxs : at.base;
}

TensorType rule(const Place& at, Role role, const Architecture& architecture,
                std::int64_t columns) {
  const bool fused_qkv = family_info(architecture.family).gguf_fused_qkv;
  switch (role) {
    case Role::embedding:
      return architecture.tied_embeddings ? output_type(at, columns) : embedding_type(at);
    case Role::output:
      return output_type(at, columns);
    case Role::attn_q:
    case Role::attn_k:
      return fused_qkv ? fused_qkv_type(at) : query_or_key_type(at);
    case Role::attn_v:
      return fused_qkv ? fused_qkv_type(at) : value_type(at);
    case Role::attn_output:
      return attention_output_type(at);
    case Role::ffn_gate:
    case Role::ffn_up:
      return gate_or_up_type(at);
    case Role::ffn_down:
      return down_type(at);
    case Role::other:
      break;
  }
  return f32;
}

TensorType replacement(TensorType type) noexcept {
  switch (type) {
    case q4_k:
      return q5_0;
    case q5_k:
      return q5_1;
    case q6_k:
      return q8_0;
    case q2_k:
    case q3_k:
    case tq1_0:
    case tq2_0:
      return q4_0;
    case iq4_xs:
    case iq3_s:
    case iq3_xxs:
    case iq2_s:
    case iq2_xs:
    case iq2_xxs:
      return iq4_nl;
    default:
      return f16;
  }
}

}  // namespace

std::span<const Mix> mixes() noexcept { return kMixes; }

const Mix& find_mix(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const Alias& alias : kAliases) {
    if (lower == alias.name) lower = alias.means;
  }
  const auto* found = std::ranges::find(kMixes, lower, &Mix::name);
  if (found != std::end(kMixes)) return *found;
  std::vector<std::string> names;
  for (const Mix& mix : kMixes) names.emplace_back(mix.name);
  const std::string near = nearest(lower, names);
  fail_try(ErrorKind::usage,
           near.empty() ? "limbeck quantize --help lists the types" : "did you mean " + near + "?",
           "unknown quantization type '{}'", name);
}

TensorRole role_of(std::string_view name) {
  if (name == "token_embd.weight") return {Role::embedding, -1};
  if (name == "output.weight") return {Role::output, -1};
  if (!name.starts_with("blk.")) return {};
  std::int64_t layer = -1;
  const char* first = name.data() + 4;
  const auto [end, error] = std::from_chars(first, name.data() + name.size(), layer);
  if (error != std::errc() || end == name.data() + name.size() || *end != '.') return {};
  const std::string_view rest(end + 1,
                              static_cast<std::size_t>(name.data() + name.size() - end - 1));
  for (const Suffix& suffix : kLayerTensors) {
    if (rest == suffix.name) return {suffix.role, layer};
  }
  return {Role::other, layer};
}

TensorType type_in_mix(const Mix& mix, const Architecture& architecture, std::string_view name,
                       std::int64_t columns, bool has_importance) {
  const TensorRole place = role_of(name);
  if (place.role == Role::other) return f32;
  if (!is_quantized(mix.base)) return mix.base;
  const Place at{
      .mix = mix.name,
      .base = mix.base,
      .layer = place.layer,
      .layers = architecture.layers,
      .grouped = architecture.heads / std::max<std::int64_t>(1, architecture.kv_heads) >= 4,
      .importance = has_importance};
  return type_for_columns(rule(at, place.role, architecture, columns), columns);
}

TensorType type_for_columns(TensorType type, std::int64_t columns) noexcept {
  const auto fits = [&](TensorType candidate) {
    return columns % static_cast<std::int64_t>(info(candidate).block_weights) == 0;
  };
  if (fits(type)) return type;
  const TensorType other = replacement(type);
  return fits(other) ? other : f16;
}

}  // namespace limbeck
