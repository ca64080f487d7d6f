#include "limbeck/runtime/speculative.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/interrupt.h"
#include "limbeck/kernels/kernel_table.h"
#include "limbeck/runtime/generation.h"

namespace limbeck {
namespace {

using Distribution = std::vector<Sampler::Candidate>;

// A drafted token, and what it was drawn of.
struct Drafted {
  TokenId id;
  Distribution q;
};

// Keeps a drafted token with probability min(1, p / q), else draws of max(p - q, 0): together that
// is a draw of p. `rest` is scratch, zeros before and after.
TokenId keep_or_draw(Sampler& sampler, std::span<const Sampler::Candidate> p,
                     const Drafted& drafted, std::vector<double>& rest) {
  const auto of = [](std::span<const Sampler::Candidate> distribution, TokenId id) {
    const auto found = std::ranges::find(distribution, id, &Sampler::Candidate::id);
    return found == distribution.end() ? 0 : found->value;
  };
  const double in_p = of(p, drafted.id), in_q = of(drafted.q, drafted.id);
  if (in_p >= in_q || sampler.uniform() * in_q < in_p) return drafted.id;
  for (const auto& [id, value] : drafted.q) {
    const auto index = static_cast<std::size_t>(id);
    if (rest.size() <= index) rest.resize(index + 1);
    rest[index] = value;
  }
  Distribution more;
  double total = 0;
  for (const auto& [id, value] : p) {
    const auto index = static_cast<std::size_t>(id);
    const double left = value - (index < rest.size() ? rest[index] : 0);
    if (left <= 0) continue;
    more.push_back({id, left});
    total += left;
  }
  for (const auto& [id, value] : drafted.q) rest[static_cast<std::size_t>(id)] = 0;
  if (more.empty()) return sampler.draw(p);  // p = q but for rounding
  for (Sampler::Candidate& candidate : more) candidate.value /= total;
  return sampler.draw(more);
}

class Speculation {
 public:
  // `tokens`: null where both models have the same ids. `ends`: tokens that end an answer.
  Speculation(Decoder& target, Decoder& draft, const DraftTokens* tokens,
              std::span<const TokenId> ends, const SpeculativePrompts& prompts,
              const SamplingOptions& sampling, const SpeculativeOptions& options,
              SpeculativeStats& stats)
      : target_(target),
        draft_(draft),
        tokens_(tokens),
        ends_(ends),
        sampler_(drafting(sampling)),
        options_(options),
        base_(draft.length()),
        waiting_(prompts.target.begin(), prompts.target.end()),
        mine_(prompts.draft.begin(), prompts.draft.end()),
        n_((options.most + 1) / 2),
        stats_(stats) {}

  void run(Generation& generation, std::int64_t left) {
    while (true) {
      stop_if_interrupted("the command");
      const std::int64_t room = target_.context() - target_.length() - std::ssize(waiting_);
      make_draft(std::min(room, left - 1));
      const auto token = check(generation, left);
      if (!token) return;
      if (target_.length() >= target_.context()) return generation.cut();
      --left;
      waiting_.assign(1, *token);
      add_to_draft(*token);
    }
  }

 private:
  // The draft's own draws: another stream; penalties are the target's business.
  static SamplingOptions drafting(SamplingOptions sampling) {
    sampling.repetition_penalty = 1;
    sampling.presence_penalty = sampling.frequency_penalty = 0;
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

  // What the draft says next, in the target's ids, and how sure it is of it.
  Drafted draft_next(std::span<const float> logits, double& sure) {
    if (tokens_) logits = logits.first(std::min(logits.size(), tokens_->size()));  // else padding
    const auto said = sampler_.distribution(logits, {});
    Drafted drafted{0, {said.begin(), said.end()}};
    if (tokens_) {
      for (Sampler::Candidate& candidate : drafted.q)
        candidate.id = tokens_->of_target(candidate.id);
    }
    drafted.id = sampler_.draw(drafted.q);
    if (options_.sure > 0) {
      probabilities_.assign(logits.begin(), logits.end());
      kernels().softmax(probabilities_.data(), probabilities_.size());
      sure *= *std::ranges::max_element(probabilities_);
    }
    return drafted;
  }

  // Drafts up to n_ tokens of what comes after mine_; none where a context ends. When to end may
  // depend on what was drafted, since all of that is checked: to leave out a token for what it is
  // would change the distribution of the answer.
  void make_draft(std::int64_t most) {
    drafted_.clear();
    most = std::min({most, std::int64_t{n_}, draft_.context() - base_ - std::ssize(mine_) + 1});
    if (most <= 0) return;
    std::vector<TokenId> next(mine_.begin() + (draft_.length() - base_), mine_.end());
    double sure = 1;
    while (true) {
      drafted_.push_back(draft_next(draft_.forward(next, false), sure));
      const TokenId id = drafted_.back().id;
      if (std::ssize(drafted_) >= most || sure < options_.sure) break;
      if (std::ranges::find(ends_, id) != ends_.end()) break;
      next.clear();
      if (tokens_) {
        tokens_->append(id, next);
      } else {
        next.push_back(id);
      }
    }
    stats_.drafted += std::ssize(drafted_);
  }

  // One pass of the target over what waits and the drafted tokens; the token to go on with.
  std::optional<TokenId> check(Generation& generation, std::int64_t& left) {
    const std::int64_t start = target_.length() + std::ssize(waiting_);
    Batch batch;
    for (const TokenId id : waiting_) batch.items.push_back({id, 0, false});
    batch.items.back().want_logits = true;
    for (const Drafted& drafted : drafted_) batch.items.push_back({drafted.id, 0, true});
    const auto logits = target_.forward(batch);
    ++stats_.passes;
    const std::size_t vocab = logits.size() / (drafted_.size() + 1);
    std::size_t kept = 0;
    std::optional<TokenId> token;
    while (true) {
      const bool last = kept == drafted_.size();
      TokenId chosen = -1;
      token = generation.step(
          logits.subspan(kept * vocab, vocab),
          [&](Sampler& sampler, std::span<const float> of, const std::vector<bool>& allowed) {
            const auto p = sampler.distribution(of, allowed);
            chosen = last ? sampler.draw(p) : keep_or_draw(sampler, p, drafted_[kept], rest_);
            return chosen;
          });
      if (last || chosen != drafted_[kept].id) break;
      ++stats_.accepted;
      if (!token) break;  // it was the answer's last
      add_to_draft(*token);
      --left;
      ++kept;
    }
    target_.truncate(0, start + static_cast<std::int64_t>(kept));
    // The draft holds all it drafted but the last.
    draft_.truncate(0, std::min(draft_.length(), base_ + std::ssize(mine_)));
    adapt(kept);
    return token;
  }

  // How many to draft next: more only where it was this number that ended the draft.
  void adapt(std::size_t kept) {
    if (kept < drafted_.size()) {
      n_ = std::max((n_ + static_cast<int>(kept) + 1) / 2, 1);
    } else if (std::ssize(drafted_) == n_) {
      n_ = std::min(n_ + 4, options_.most);
    }
  }

  Decoder &target_, &draft_;
  const DraftTokens* tokens_;
  std::span<const TokenId> ends_;
  Sampler sampler_;
  const SpeculativeOptions& options_;
  std::int64_t base_;             // positions that the draft held before its prompt
  std::vector<TokenId> waiting_;  // the target's, not run yet: its prompt, then the last token
  std::vector<TokenId> mine_;     // the draft's prompt and the answer in the draft's ids
  std::vector<Drafted> drafted_;
  std::vector<float> probabilities_;
  std::vector<double> rest_;  // of keep_or_draw
  int n_;                     // to draft at a time
  SpeculativeStats& stats_;
};

Generated run(Decoder& target, Decoder& draft, const Tokenizer* tokenizer,
              const DraftTokens* tokens, const TokenMask* mask, const SpeculativePrompts& prompts,
              const GenerateOptions& options, const SpeculativeOptions& speculative,
              SpeculativeStats& stats, const std::function<bool(std::string_view)>& on_text) {
  if (speculative.most < 1) {
    fail(ErrorKind::usage, "{} tokens to draft: at least 1", speculative.most);
  }
  if (!(speculative.sure >= 0 && speculative.sure <= 1)) {
    fail(ErrorKind::usage, "drafting while {} sure: it must be in [0, 1]", speculative.sure);
  }
  if (prompts.target.empty() || prompts.draft.empty()) {
    fail(ErrorKind::usage, "the prompt of the {} has no tokens",
         prompts.target.empty() ? "model" : "draft");
  }
  Generation generation(tokenizer, options, mask, prompts.target, on_text);
  std::span<const TokenId> ends;
  if (tokenizer && !options.ignore_eos) ends = tokenizer->stop_tokens();
  Speculation(target, draft, tokens, ends, prompts, options.sampling, speculative, stats)
      .run(generation, options.max_tokens);
  return generation.take();
}

}  // namespace

Generated generate_speculative(Decoder& target, Decoder& draft, const Tokenizer& tokenizer,
                               const DraftTokens& tokens, const SpeculativePrompts& prompts,
                               const GenerateOptions& options,
                               const SpeculativeOptions& speculative, SpeculativeStats& stats,
                               const std::function<bool(std::string_view piece)>& on_text) {
  std::optional<TokenMask> mask;
  if (options.grammar && !options.mask) mask.emplace(token_texts(tokenizer));
  return run(target, draft, &tokenizer, &tokens, mask ? &*mask : options.mask, prompts, options,
             speculative, stats, on_text);
}

Generated generate_speculative_ids(Decoder& target, Decoder& draft,
                                   const SpeculativePrompts& prompts,
                                   const GenerateOptions& options,
                                   const SpeculativeOptions& speculative, SpeculativeStats& stats) {
  if (options.grammar || !options.stop.empty()) {
    fail(ErrorKind::usage, "a grammar or stop texts need a model with a tokenizer");
  }
  return run(target, draft, nullptr, nullptr, nullptr, prompts, options, speculative, stats, {});
}

}  // namespace limbeck
