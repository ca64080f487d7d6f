#include "limbeck/model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace limbeck {
namespace {

using Kind = RopeScaling::Kind;

std::vector<double> plain_frequencies(double theta, std::int64_t dim) {
  std::vector<double> out(static_cast<std::size_t>(dim / 2));
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(dim));
  }
  return out;
}

// YaRN keeps fast dimensions, divides slow ones by the factor, and blends between the dimensions
// that turn beta_fast and beta_slow times over the original context.
void scale_yarn(const Architecture& a, std::vector<double>& frequencies) {
  const RopeScaling& s = a.rope_scaling;
  const auto dim = static_cast<double>(a.rope_dim);
  const auto dimension_of = [&](double rotations) {
    return dim *
           std::log(static_cast<double>(s.original_context) / (rotations * 2 * std::numbers::pi)) /
           (2 * std::log(a.rope_theta));
  };
  const double low = std::max(std::floor(dimension_of(s.beta_fast)), 0.0);
  double high = std::min(std::ceil(dimension_of(s.beta_slow)), dim - 1);
  if (high == low) high += 0.001;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double slow = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] *= slow / s.factor + (1 - slow);
  }
}

double factor_of(const RopeScaling& scaling, std::int64_t context_length) {
  if (scaling.kind != Kind::longrope) return scaling.factor;
  return static_cast<double>(context_length) / static_cast<double>(scaling.original_context);
}

}  // namespace

double default_attention_factor(const RopeScaling& scaling, std::int64_t context_length) {
  const double factor = factor_of(scaling, context_length);
  if (factor <= 1) return 1;
  if (scaling.kind == Kind::yarn) return 0.1 * std::log(factor) + 1;
  if (scaling.kind == Kind::longrope && scaling.original_context > 1) {
    return std::sqrt(1 +
                     std::log(factor) / std::log(static_cast<double>(scaling.original_context)));
  }
  return 1;
}

std::vector<double> llama3_factors(const Architecture& a) {
  const RopeScaling& s = a.rope_scaling;
  const auto context = static_cast<double>(s.original_context);
  std::vector<double> out;
  for (const double frequency : plain_frequencies(a.rope_theta, a.rope_dim)) {
    const double turns = context * frequency / (2 * std::numbers::pi);
    if (turns < s.low_freq_factor) {
      out.push_back(s.factor);
    } else if (turns > s.high_freq_factor) {
      out.push_back(1);
    } else {
      const double smooth = (turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
      out.push_back(1 / ((1 - smooth) / s.factor + smooth));
    }
  }
  return out;
}

RopeScaling scaling_from_factors(const Architecture& a, std::span<const double> factors) {
  RopeScaling found;
  if (std::ranges::all_of(factors, [](double f) { return f == 1; })) return found;
  // Every published llama3 scaling has factors 1 and 4; the original context is a power of two.
  Architecture trial = a;
  trial.rope_scaling.kind = Kind::llama3;
  trial.rope_scaling.factor = std::ranges::max(factors);
  for (std::int64_t context = 1024; context <= 1 << 20; context *= 2) {
    trial.rope_scaling.original_context = context;
    const bool same = std::ranges::equal(llama3_factors(trial), factors, [](double x, double y) {
      return std::abs(x - y) <= 1e-4 * y;
    });
    // The published contexts are 8192; an ambiguous match prefers it.
    if (same && (found.kind == Kind::none || context == 8192)) found = trial.rope_scaling;
  }
  if (found.kind == Kind::llama3) return found;
  found.kind = Kind::longrope;
  found.original_context = a.context_length;
  found.attention_factor = 1;
  found.short_factors.assign(factors.begin(), factors.end());
  found.long_factors = found.short_factors;
  return found;
}

RopeTable rope_table(const Architecture& a, std::int64_t layer, std::int64_t context) {
  RopeTable table;
  if (a.positions != Positions::rope) return table;
  const RopeScaling& s = a.rope_scaling;
  if (a.rope_theta_local > 0 && a.slides(layer)) {
    table.frequencies = plain_frequencies(a.rope_theta_local, a.rope_dim);
    return table;
  }
  table.frequencies = plain_frequencies(a.rope_theta, a.rope_dim);
  auto divide = [&](const std::vector<double>& factors) {
    for (std::size_t i = 0; i < table.frequencies.size(); ++i) table.frequencies[i] /= factors[i];
  };
  switch (s.kind) {
    case Kind::none:
      break;
    case Kind::linear:
      for (double& frequency : table.frequencies) frequency /= s.factor;
      break;
    case Kind::llama3:
      divide(llama3_factors(a));
      break;
    case Kind::yarn:
      scale_yarn(a, table.frequencies);
      break;
    case Kind::longrope:
      divide(context > s.original_context ? s.long_factors : s.short_factors);
      break;
  }
  if (s.kind == Kind::yarn || s.kind == Kind::longrope) {
    table.magnitude =
        s.attention_factor > 0 ? s.attention_factor : default_attention_factor(s, a.context_length);
  }
  return table;
}

}  // namespace limbeck
