#include "limbeck/runtime/sampler.h"

#include <algorithm>
#include <cmath>

#include "limbeck/base/error.h"

namespace limbeck {

void check(const SamplingOptions& o) {
  const auto need = [](bool good, const char* what, double found, const char* range) {
    if (!good) fail(ErrorKind::usage, "{} {}: it must be {}", what, found, range);
  };
  need(o.temperature >= 0 && std::isfinite(o.temperature), "temperature", o.temperature,
       "0 (greedy) or more");
  need(o.top_k >= 0, "top_k", o.top_k, "0 (all) or more");
  need(o.top_p > 0 && o.top_p <= 1, "top_p", o.top_p, "in (0, 1]");
  need(o.min_p >= 0 && o.min_p < 1, "min_p", o.min_p, "in [0, 1)");
  need(o.repetition_penalty > 0 && std::isfinite(o.repetition_penalty), "repetition_penalty",
       o.repetition_penalty, "more than 0 (1: none)");
  need(std::isfinite(o.presence_penalty), "presence_penalty", o.presence_penalty, "a number");
  need(std::isfinite(o.frequency_penalty), "frequency_penalty", o.frequency_penalty, "a number");
}

Sampler::Sampler(const SamplingOptions& options, std::span<const LogitBias> bias)
    : options_(options),
      random_(options.seed, options.stream),
      plain_(options.repetition_penalty == 1 && options.presence_penalty == 0 &&
             options.frequency_penalty == 0 && bias.empty()) {
  check(options);
  for (const LogitBias& one : bias) bias_[one.id] += one.bias;
}

void Sampler::answered(TokenId id) {
  seen(id);
  if (!plain_) ++answered_[id];
}

void Sampler::seen(TokenId id) {
  if (options_.repetition_penalty == 1) return;
  const auto index = static_cast<std::size_t>(id);
  if (seen_.size() <= index) seen_.resize(index + 1);
  seen_[index] = true;
}

double Sampler::penalized(std::span<const float> logits, TokenId id) const {
  const auto index = static_cast<std::size_t>(id);
  double logit = logits[index];
  if (plain_) return logit;
  if (const auto bias = bias_.find(id); bias != bias_.end()) logit += bias->second;
  if (const auto times = answered_.find(id); times != answered_.end()) {
    logit -= options_.presence_penalty + options_.frequency_penalty * times->second;
  }
  if (index >= seen_.size() || !seen_[index]) return logit;
  return logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
}

std::optional<TokenId> Sampler::greedy(std::span<const float> logits) const {
  if (options_.temperature != 0 || !plain_ || logits.empty()) return std::nullopt;
  return static_cast<TokenId>(std::ranges::max_element(logits) - logits.begin());
}

TokenId Sampler::most_likely(std::span<const float> logits,
                             const std::vector<bool>& allowed) const {
  // Mostly what is likeliest is allowed: one pass over floats.
  if (const auto first = greedy(logits);
      first && (allowed.empty() || allowed[static_cast<std::size_t>(*first)])) {
    return *first;
  }
  TokenId best = -1;
  double highest = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!allowed.empty() && !allowed[i]) continue;
    const double value = penalized(logits, static_cast<TokenId>(i));
    if (best >= 0 && !(value > highest)) continue;
    best = static_cast<TokenId>(i);
    highest = value;
  }
  return best;
}

// Cuts the candidates (falling) by top_k, top_p and min_p, and turns values into probabilities.
void Sampler::keep_likely() {
  const double top = candidates_.front().value;
  double total = 0;
  for (Candidate& candidate : candidates_) {
    candidate.value = std::exp(candidate.value - top);
    total += candidate.value;
  }
  double sum = 0;
  std::size_t n = 0;
  while (n < candidates_.size() && (n == 0 || sum < options_.top_p * total)) {
    if (candidates_[n].value < options_.min_p) break;  // the first has value 1
    sum += candidates_[n++].value;
  }
  candidates_.resize(n);
}

std::span<const Sampler::Candidate> Sampler::distribution(std::span<const float> logits,
                                                          const std::vector<bool>& allowed) {
  candidates_.clear();
  if (options_.temperature == 0) {
    candidates_.push_back({most_likely(logits, allowed), 1});
    return candidates_;
  }
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!allowed.empty() && !allowed[i]) continue;
    const auto id = static_cast<TokenId>(i);
    candidates_.push_back({id, penalized(logits, id) / options_.temperature});
  }
  const auto before = [](const Candidate& a, const Candidate& b) {
    return a.value != b.value ? a.value > b.value : a.id < b.id;
  };
  const auto k = static_cast<std::size_t>(options_.top_k);
  if (k > 0 && k < candidates_.size()) {
    std::partial_sort(candidates_.begin(), candidates_.begin() + options_.top_k, candidates_.end(),
                      before);
    candidates_.resize(k);
  } else {
    std::sort(candidates_.begin(), candidates_.end(), before);
  }
  keep_likely();
  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.value;
  for (Candidate& candidate : candidates_) candidate.value /= total;
  return candidates_;
}

TokenId Sampler::draw(std::span<const Candidate> distribution) {
  if (distribution.size() == 1) return distribution.front().id;
  double point = random_.uniform();
  for (const Candidate& candidate : distribution) {
    point -= candidate.value;
    if (point < 0) return candidate.id;
  }
  return distribution.back().id;
}

TokenId Sampler::next(std::span<const float> logits, const std::vector<bool>& allowed) {
  return draw(distribution(logits, allowed));
}

}  // namespace limbeck
