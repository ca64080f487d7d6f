#include "limbeck/model/hf_rope.h"

#include <cmath>
#include <string>
#include <vector>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

using Kind = RopeScaling::Kind;

struct KindName {
  std::string_view name;
  Kind kind;
};
// The first name of each kind is what is written.
constexpr KindName kKinds[] = {
    {"default", Kind::none},  {"none", Kind::none}, {"linear", Kind::linear},
    {"llama3", Kind::llama3}, {"yarn", Kind::yarn}, {"longrope", Kind::longrope},
    {"su", Kind::longrope},
};

std::vector<double> read_factors(Fields& fields, std::string_view key) {
  const Json* list = fields.find(key);
  if (list == nullptr || !list->is_array()) {
    fail(ErrorKind::format, "{}: {} must be a list of numbers", fields.where(), key);
  }
  std::vector<double> out;
  for (const Json& item : *list) {
    if (!item.is_number()) {
      fail(ErrorKind::format, "{}: {} must be a list of numbers", fields.where(), key);
    }
    out.push_back(item.get<double>());
  }
  return out;
}

// `fields` is rope_scaling, or the flat rope_parameters; `outer` the whole configuration.
void read_scaling(Fields& fields, Fields& outer, Architecture& a) {
  const std::string word = fields.text("rope_type", fields.text("type", "default"));
  RopeScaling& s = a.rope_scaling;
  const KindName* found = nullptr;
  for (const KindName& row : kKinds) {
    if (row.name == word) found = &row;
  }
  if (found == nullptr) {
    fail(ErrorKind::unsupported,
         "{}: rope_type '{}' is not supported; known are default, linear, llama3, yarn, longrope",
         fields.where(), word);
  }
  s.kind = found->kind;
  if (s.kind == Kind::none) return;
  if (s.kind != Kind::longrope) {
    if (!fields.has("factor")) {
      fail(ErrorKind::format, "{}: factor is missing", fields.where());
    }
    s.factor = fields.number("factor", 1, 1e-6, 1e6);
  }
  if (s.kind == Kind::linear) return;
  constexpr std::int64_t limit = std::int64_t{1} << 40;
  const char* context_key = "original_max_position_embeddings";
  s.original_context = fields.integer(
      context_key,
      outer.integer(context_key, s.kind == Kind::yarn ? a.context_length : 0, 1, limit), 0, limit);
  if (s.original_context == 0) {
    fail(ErrorKind::format, "{}: {} is missing", fields.where(), context_key);
  }
  if (s.kind == Kind::llama3) {
    s.low_freq_factor = fields.number("low_freq_factor", 1, 1e-6, 1e6);
    s.high_freq_factor = fields.number("high_freq_factor", 4, 1e-6, 1e6);
    return;
  }
  s.attention_factor = fields.number("attention_factor", 0, 0, 1e6);
  if (s.kind == Kind::yarn) {
    s.beta_fast = fields.number("beta_fast", 32, 1e-6, 1e6);
    s.beta_slow = fields.number("beta_slow", 1, 1e-6, 1e6);
    if (!fields.flag("truncate", true) || fields.has("mscale_all_dim")) {
      fail(ErrorKind::unsupported, "{}: yarn's truncate and mscale_all_dim are not supported",
           fields.where());
    }
    return;
  }
  s.short_factors = read_factors(fields, "short_factor");
  s.long_factors = read_factors(fields, "long_factor");
}

void read_new_form(const Json& parameters, Fields& outer, Architecture& a) {
  const std::string where = outer.where() + ": rope_parameters";
  Fields fields(parameters, where, ErrorKind::format);
  if (const Json* full = fields.find("full_attention")) {
    Fields global(*full, where + ": full_attention", ErrorKind::format);
    a.rope_theta = global.number("rope_theta", a.rope_theta);
    read_scaling(global, outer, a);
    if (const Json* sliding = fields.find("sliding_attention")) {
      Fields local(*sliding, where + ": sliding_attention", ErrorKind::format);
      a.rope_theta_local = local.number("rope_theta", a.rope_theta_local);
      if (local.text("rope_type", "default") != "default") {
        fail(ErrorKind::unsupported, "{}: scaled sliding layers are not supported", local.where());
      }
    }
    return;
  }
  a.rope_theta = fields.number("rope_theta", a.rope_theta);
  read_scaling(fields, outer, a);
}

double read_partial(Fields& fields, Architecture& a) {
  double fraction = a.family == Family::gpt_neox ? 0.25 : 1;  // the defaults of the classes
  fraction = fields.number("rotary_pct", fraction, 0, 1);
  fraction = fields.number("partial_rotary_factor", fraction, 0, 1);
  if (const Json* parameters = fields.find("rope_parameters")) {
    Fields inner(*parameters, fields.where() + ": rope_parameters", ErrorKind::format);
    fraction = inner.number("partial_rotary_factor", fraction, 0, 1);
  }
  return fraction;
}

}  // namespace

void read_hf_rope(Fields& fields, Architecture& a) {
  if (a.positions != Positions::rope) return;
  a.rope_dim = static_cast<std::int64_t>(static_cast<double>(a.head_dim) * read_partial(fields, a));
  if (const Json* parameters = fields.find("rope_parameters")) {
    read_new_form(*parameters, fields, a);
    return;
  }
  a.rope_theta = fields.number("rotary_emb_base", a.rope_theta);
  a.rope_theta = fields.number("rope_theta", a.rope_theta);
  if (a.rope_theta_local > 0) {
    a.rope_theta_local = fields.number("rope_local_base_freq", a.rope_theta_local);
  }
  if (const Json* scaling = fields.find("rope_scaling")) {
    Fields inner(*scaling, fields.where() + ": rope_scaling", ErrorKind::format);
    read_scaling(inner, fields, a);
  }
}

void write_hf_rope(const Architecture& a, Json& config) {
  if (a.positions != Positions::rope) return;
  const double partial = static_cast<double>(a.rope_dim) / static_cast<double>(a.head_dim);
  if (a.family == Family::gpt_neox) {
    config["rotary_pct"] = partial;
    config["rotary_emb_base"] = a.rope_theta;
  } else if (a.rope_dim != a.head_dim || a.family == Family::phi3) {
    config["partial_rotary_factor"] = partial;
  }
  config["rope_theta"] = a.rope_theta;
  if (a.rope_theta_local > 0) config["rope_local_base_freq"] = a.rope_theta_local;
  const RopeScaling& s = a.rope_scaling;
  if (a.family == Family::phi3) {
    config["original_max_position_embeddings"] =
        s.kind == Kind::longrope ? s.original_context : a.context_length;
  }
  config["rope_scaling"] = nullptr;
  if (s.kind == Kind::none) return;
  Json out;
  for (const KindName& row : kKinds) {
    if (row.kind == s.kind && !out.contains("rope_type")) out["rope_type"] = row.name;
  }
  if (a.family == Family::phi3) out["type"] = out["rope_type"];  // its class checks the old key
  if (s.kind != Kind::longrope) out["factor"] = s.factor;
  if (s.kind == Kind::llama3) {
    out["low_freq_factor"] = s.low_freq_factor;
    out["high_freq_factor"] = s.high_freq_factor;
  }
  if (s.kind == Kind::yarn) {
    out["beta_fast"] = s.beta_fast;
    out["beta_slow"] = s.beta_slow;
  }
  if (s.kind == Kind::longrope) {
    out["short_factor"] = s.short_factors;
    out["long_factor"] = s.long_factors;
  }
  if (s.kind != Kind::linear) out["original_max_position_embeddings"] = s.original_context;
  if (s.attention_factor > 0) out["attention_factor"] = s.attention_factor;
  config["rope_scaling"] = std::move(out);
}

}  // namespace limbeck
