#include "limbeck/runtime/generation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "limbeck/base/error.h"

namespace limbeck {

void log_softmax(std::span<const float> logits, std::span<float> out) {
  LIMBECK_ASSERT(logits.size() == out.size());
  if (logits.empty()) return;
  const double top = *std::ranges::max_element(logits);
  double total = 0;
  for (const float logit : logits) total += std::exp(logit - top);
  const double shift = top + std::log(total);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(logits[i] - shift);
}

std::vector<TokenLogprob> most_likely(std::span<const float> logits,
                                      std::span<const float> logprobs, int n) {
  std::vector<TokenId> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto before = [&](TokenId a, TokenId b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  };
  const auto kept = std::min(static_cast<std::size_t>(std::max(n, 0)), logits.size());
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(kept);
  std::partial_sort(order.begin(), end, order.end(), before);
  std::vector<TokenLogprob> top;
  for (const TokenId id : std::span(order).first(kept)) {
    top.push_back({id, logprobs[static_cast<std::size_t>(id)]});
  }
  return top;
}

std::string_view name(Generated::Finish finish) noexcept {
  switch (finish) {
    case Generated::Finish::stop:
      return "stop";
    case Generated::Finish::grammar_end:
      return "grammar_end";
    case Generated::Finish::length:
      break;
  }
  return "length";
}

Generation::Generation(const Tokenizer* tokenizer, const GenerateOptions& options,
                       const TokenMask* mask, std::span<const TokenId> prompt,
                       std::function<bool(std::string_view piece)> on_text)
    : tokenizer_(tokenizer),
      options_(options),
      mask_(mask),
      on_text_(std::move(on_text)),
      sampler_(options.sampling, options.logit_bias) {
  if (tokenizer) decoder_.emplace(*tokenizer);
  if (options.grammar) grammar_.emplace(*options.grammar);
  for (const TokenId id : prompt) sampler_.seen(id);
  if (options.max_tokens <= 0) end(Generated::Finish::length);
}

bool Generation::is_stop(TokenId id) const {
  return tokenizer_ &&
         std::ranges::find(tokenizer_->stop_tokens(), id) != tokenizer_->stop_tokens().end();
}

// Whether the likeliest of all tokens, where it is taken if it may come, may come: then no other
// needs to be looked at.
bool Generation::fits_likeliest(std::span<const float> logits) const {
  const auto id = sampler_.greedy(logits);
  if (!id) return false;
  if (is_stop(*id)) return grammar_->can_end();
  const std::string& bytes = tokenizer_->token_bytes(*id);
  GrammarState after = *grammar_;
  return !bytes.empty() && after.advance(bytes);
}

// Finds the tokens that may come next under the grammar; stop tokens where the text is complete.
// False if there are none, and the text is complete.
bool Generation::allow(std::size_t vocab) {
  allowed_.assign(static_cast<std::size_t>(tokenizer_->vocab_size()), false);
  mask_->fill(*grammar_, allowed_);
  allowed_.resize(vocab, false);  // a model may have more rows than its tokenizer has tokens
  const bool may_end = grammar_->can_end();
  for (const TokenId id : tokenizer_->stop_tokens()) {
    if (static_cast<std::size_t>(id) < vocab) allowed_[static_cast<std::size_t>(id)] = may_end;
  }
  const bool any = std::ranges::find(allowed_, true) != allowed_.end();
  if (!any && !may_end) {
    fail(ErrorKind::unsupported,
         "no token of the vocabulary can continue the answer \"{}\" under the grammar", out_.text);
  }
  return any;
}

void Generation::record(TokenId id, std::span<const float> logits) {
  logprobs_.resize(logits.size());
  log_softmax(logits, logprobs_);
  out_.ids.push_back(id);
  out_.logprobs.push_back(logprobs_[static_cast<std::size_t>(id)]);
  if (options_.top_logprobs > 0) {
    out_.top.push_back(most_likely(logits, logprobs_, options_.top_logprobs));
  }
}

void Generation::record_end(std::span<const float> logits) {
  logprobs_.resize(logits.size());
  log_softmax(logits, logprobs_);
  out_.stop_top = most_likely(logits, logprobs_, options_.top_logprobs);
}

void Generation::record_stop(TokenId id, std::span<const float> logits) {
  record_end(logits);
  out_.stop_token = TokenLogprob{id, logprobs_[static_cast<std::size_t>(id)]};
}

// Gives on_text what is certain up to `until`; a false answer ends the generation.
void Generation::release(std::size_t until) {
  if (until <= released_) return;
  const std::string_view piece = std::string_view(out_.text).substr(released_, until - released_);
  released_ = until;
  if (on_text_ && !on_text_(piece)) done_ = true;
}

// Appends and looks for stop texts; true if one is there, and the text ends before it.
bool Generation::add_text(std::string_view piece) {
  const std::size_t before = out_.text.size();
  out_.text += piece;
  std::size_t found = std::string::npos, held = 0;
  for (const std::string& stop : options_.stop) {
    if (stop.empty()) continue;
    const std::size_t from = before >= stop.size() ? before - stop.size() + 1 : 0;
    found = std::min(found, out_.text.find(stop, from));
    for (std::size_t n = std::min(stop.size() - 1, out_.text.size()); n > held; --n) {
      if (out_.text.ends_with(std::string_view(stop).substr(0, n))) held = n;
    }
  }
  if (found != std::string::npos) {
    out_.text.resize(found);
    return true;
  }
  release(out_.text.size() - held);
  return false;
}

void Generation::end(Generated::Finish finish) {
  if (done_) return;
  if (decoder_ && add_text(decoder_->finish())) finish = Generated::Finish::stop;
  release(out_.text.size());
  out_.finish = finish;
  done_ = true;
}

std::optional<TokenId> Generation::step(std::span<const float> logits) {
  return step(logits, [](Sampler& sampler, std::span<const float> of,
                         const std::vector<bool>& allowed) { return sampler.next(of, allowed); });
}

std::optional<TokenId> Generation::step(std::span<const float> logits, const Choice& choose) {
  if (done_) return std::nullopt;
  // Rows that pad the model's vocabulary are no tokens, whatever their logits.
  const auto tokens =
      tokenizer_ ? std::min(logits.size(), static_cast<std::size_t>(tokenizer_->vocab_size()))
                 : logits.size();
  const auto any_allowed = [&] {
    allowed_.clear();  // all
    return fits_likeliest(logits.first(tokens)) || allow(tokens);
  };
  if (grammar_ && (grammar_->must_end() || !any_allowed())) {
    if (options_.stop_logprobs) record_end(logits);
    end(Generated::Finish::grammar_end);
    return std::nullopt;
  }
  const TokenId id = choose(sampler_, logits.first(tokens), allowed_);
  if (id < 0 || !std::isfinite(logits[static_cast<std::size_t>(id)])) {
    fail(ErrorKind::numeric, "the model's logits after {} answer tokens are not finite numbers",
         out_.ids.size());
  }
  if (is_stop(id) && (!options_.ignore_eos || grammar_)) {
    record_stop(id, logits);
    end(grammar_ ? Generated::Finish::grammar_end : Generated::Finish::stop);
    return std::nullopt;
  }
  record(id, logits);
  sampler_.answered(id);
  if (grammar_) grammar_->advance(tokenizer_->token_bytes(id));
  if (decoder_ && add_text(decoder_->add(id))) {
    release(out_.text.size());
    out_.finish = Generated::Finish::stop;
    done_ = true;
  }
  if (!done_ && grammar_ && grammar_->must_end() && !options_.stop_logprobs) {
    end(Generated::Finish::grammar_end);
  }
  if (static_cast<std::int64_t>(out_.ids.size()) >= options_.max_tokens) {
    end(Generated::Finish::length);
  }
  if (done_) return std::nullopt;
  return id;
}

Generated Generation::take() {
  end(Generated::Finish::length);
  return std::move(out_);
}

}  // namespace limbeck
