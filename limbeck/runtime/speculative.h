// Speculative decoding: a small model drafts some tokens, the large one checks them in one pass and
// keeps as many as it would have said itself (Leviathan et al. 2023, arXiv:2211.17192, algorithm
// 1).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "limbeck/runtime/draft_tokens.h"
#include "limbeck/runtime/generate.h"

namespace limbeck {

// What each model reads before the answer, in its own ids: a student may have been trained on
// another form of the question than its teacher. Only the answer's tokens are shared.
struct SpeculativePrompts {
  std::span<const TokenId> target, draft;
};

struct SpeculativeOptions {
  // Tokens drafted at a time, at most (>= 1). It begins with half of them, goes up while all are
  // kept and down where not. With the token before them seven make eight rows, twice what kernels
  // read the packed weights for at once.
  int most = 7;
  // Drafting ends where, by the draft's own probabilities, all drafted so far is right with less
  // than this; in [0, 1], 0: never.
  double sure = 0.5;
};

struct SpeculativeStats {
  std::int64_t drafted = 0, accepted = 0;  // tokens of the draft model, and those kept
  std::int64_t passes = 0;  // forward passes of the target, the one over its prompt included
};

// As generate: the same tokens where greedy, the same distribution where sampled (not the same
// draws). Both go on behind what sequence 0 of their decoder holds. `tokens`: of the two models'
// tokenizers. Nothing is drafted where the draft's context is full. Throws as generate does.
Generated generate_speculative(Decoder& target, Decoder& draft, const Tokenizer& tokenizer,
                               const DraftTokens& tokens, const SpeculativePrompts& prompts,
                               const GenerateOptions& options,
                               const SpeculativeOptions& speculative, SpeculativeStats& stats,
                               const std::function<bool(std::string_view piece)>& on_text = {});
// For models without tokenizers, of the same ids: see generate_ids.
Generated generate_speculative_ids(Decoder& target, Decoder& draft,
                                   const SpeculativePrompts& prompts,
                                   const GenerateOptions& options,
                                   const SpeculativeOptions& speculative, SpeculativeStats& stats);

}  // namespace limbeck
