#include "limbeck/runtime/speculative.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/runtime/generation.h"

namespace limbeck {
namespace {

using Distribution = std::vector<Sampler::Candidate>;

double probability(std::span<const Sampler::Candidate> distribution, TokenId id) {
  const auto found = std::ranges::find(distribution, id, &Sampler::Candidate::id);
  return found == distribution.end() ? 0 : found->value;
}

// Keeps a drafted token with probability min(1, p / q), else draws of max(p - q, 0): together that
// is a draw of p.
TokenId keep_or_draw(Sampler& sampler, std::span<const Sampler::Candidate> p, const Distribution& q,
                     TokenId drafted) {
  const double in_p = probability(p, drafted), in_q = probability(q, drafted);
  if (in_p >= in_q || sampler.uniform() * in_q < in_p) return drafted;
  Distribution rest;
  double total = 0;
  for (const Sampler::Candidate& candidate : p) {
    const double more = candidate.value - probability(q, candidate.id);
    if (more <= 0) continue;
    rest.push_back({candidate.id, more});
    total += more;
  }
  if (rest.empty()) return sampler.draw(p);  // p = q but for rounding
  for (Sampler::Candidate& candidate : rest) candidate.value /= total;
  return sampler.draw(rest);
}

class Speculation {
 public:
  // `tokens`: null where both models have the same ids.
  Speculation(Decoder& target, Decoder& draft, const DraftTokens* tokens,
              std::span<const TokenId> prompt, const GenerateOptions& options, int max_draft,
              SpeculativeStats& stats)
      : target_(target),
        draft_(draft),
        tokens_(tokens),
        sampler_(drafting(options.sampling)),
        base_(draft.length()),
        text_(prompt.begin(), prompt.end()),
        max_(max_draft),
        n_(std::min(max_draft, 4)),
        stats_(stats) {
    for (const TokenId id : prompt) add_to_draft(id);
  }

  void run(Generation& generation, std::int64_t left) {
    std::optional<TokenId> token = generation.step(target_.forward(text_, false));
    while (token) {
      stop_if_interrupted("the command");
      --left;
      const std::int64_t room = target_.context() - target_.length();
      if (room <= 0) return generation.cut();
      take(*token);
      make_draft(std::min<std::int64_t>(room - 1, left - 1));
      token = check(generation, left);
    }
  }

 private:
  // The draft's own draws: another stream; penalties are the target's business.
  static SamplingOptions drafting(SamplingOptions sampling) {
    sampling.repetition_penalty = 1;
    sampling.stream ^= std::uint64_t{1} << 63;
    return sampling;
  }

  void add_to_draft(TokenId id) {
    if (tokens_) {
      tokens_->append(id, mine_);
    } else {
      mine_.push_back(id);
    }
  }
  void take(TokenId id) {
    text_.push_back(id);
    add_to_draft(id);
  }

  // What the draft says next, in the target's ids.
  Distribution draft_says(std::span<const float> logits) {
    if (tokens_) logits = logits.first(std::min(logits.size(), tokens_->size()));  // else padding
    const auto said = sampler_.distribution(logits, {});
    Distribution q(said.begin(), said.end());
    if (tokens_) {
      for (Sampler::Candidate& candidate : q) candidate.id = tokens_->of_target(candidate.id);
    }
    return q;
  }

  // Drafts up to n_ tokens after text_; none where a context ends.
  void make_draft(std::int64_t most) {
    drafted_.clear();
    q_.clear();
    const auto behind = base_ + std::ssize(mine_);
    most = std::min({most, std::int64_t{n_}, draft_.context() - behind + 1});
    if (most <= 0) return;
    // What the draft has not seen yet: the last token, and one more where all were kept.
    const auto seen = static_cast<std::size_t>(draft_.length() - base_);
    std::vector<TokenId> next(mine_.begin() + static_cast<std::ptrdiff_t>(seen), mine_.end());
    while (true) {
      q_.push_back(draft_says(draft_.forward(next, false)));
      drafted_.push_back(sampler_.draw(q_.back()));
      if (std::ssize(drafted_) >= most) break;
      next.clear();
      if (tokens_) {
        tokens_->append(drafted_.back(), next);
      } else {
        next.push_back(drafted_.back());
      }
    }
    stats_.drafted += std::ssize(drafted_);
  }

  // One pass of the target over the last token and the drafted ones; the token to go on with.
  std::optional<TokenId> check(Generation& generation, std::int64_t& left) {
    const std::int64_t start = target_.length();
    std::vector<TokenId> items{text_.back()};
    items.insert(items.end(), drafted_.begin(), drafted_.end());
    const auto logits = target_.forward(items, true);
    ++stats_.passes;
    const std::size_t vocab = logits.size() / items.size();
    std::size_t kept = 0;
    std::optional<TokenId> token;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const bool last = i == drafted_.size();
      token = generation.step(
          logits.subspan(i * vocab, vocab),
          [&](Sampler& sampler, std::span<const float> of, const std::vector<bool>& allowed) {
            const auto p = sampler.distribution(of, allowed);
            return last ? sampler.draw(p) : keep_or_draw(sampler, p, q_[i], drafted_[i]);
          });
      if (last || !token || *token != drafted_[i]) break;
      take(*token);
      --left;
      ++kept;
    }
    stats_.accepted += static_cast<std::int64_t>(kept);
    target_.truncate(0, start + 1 + static_cast<std::int64_t>(kept));
    // The draft holds all it drafted but the last.
    draft_.truncate(0, std::min(draft_.length(), base_ + std::ssize(mine_)));
    if (!drafted_.empty()) {
      const int more = kept == drafted_.size() ? n_ + 2 : (n_ + static_cast<int>(kept) + 1) / 2;
      n_ = std::clamp(more, 1, max_);
    }
    return token;
  }

  Decoder &target_, &draft_;
  const DraftTokens* tokens_;
  Sampler sampler_;
  std::int64_t base_;  // positions that the draft held before the prompt
  std::vector<TokenId> text_, drafted_;
  std::vector<TokenId> mine_;    // text_ in the draft's ids
  std::vector<Distribution> q_;  // that the drafted tokens were drawn of
  int max_, n_;
  SpeculativeStats& stats_;
};

Generated run(Decoder& target, Decoder& draft, const Tokenizer* tokenizer,
              const DraftTokens* tokens, const TokenMask* mask, std::span<const TokenId> prompt,
              const GenerateOptions& options, int max_draft, SpeculativeStats& stats,
              const std::function<bool(std::string_view)>& on_text) {
  if (max_draft < 1) fail(ErrorKind::usage, "{} tokens to draft: at least 1", max_draft);
  if (prompt.empty()) fail(ErrorKind::usage, "the prompt has no tokens");
  Generation generation(tokenizer, options, mask, prompt, on_text);
  Speculation(target, draft, tokens, prompt, options, max_draft, stats)
      .run(generation, options.max_tokens);
  return generation.take();
}

}  // namespace

Generated generate_speculative(Decoder& target, Decoder& draft, const Tokenizer& tokenizer,
                               const DraftTokens& tokens, std::span<const TokenId> prompt,
                               const GenerateOptions& options, int max_draft,
                               SpeculativeStats& stats,
                               const std::function<bool(std::string_view piece)>& on_text) {
  std::optional<TokenMask> mask;
  if (options.grammar && !options.mask) mask.emplace(token_texts(tokenizer));
  return run(target, draft, &tokenizer, &tokens, mask ? &*mask : options.mask, prompt, options,
             max_draft, stats, on_text);
}

Generated generate_speculative_ids(Decoder& target, Decoder& draft, std::span<const TokenId> prompt,
                                   const GenerateOptions& options, int max_draft,
                                   SpeculativeStats& stats) {
  if (options.grammar || !options.stop.empty()) {
    fail(ErrorKind::usage, "a grammar or stop texts need a model with a tokenizer");
  }
  return run(target, draft, nullptr, nullptr, nullptr, prompt, options, max_draft, stats, {});
}

}  // namespace limbeck
