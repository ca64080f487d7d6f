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

struct SpeculativeStats {
  std::int64_t drafted = 0, accepted = 0;  // tokens of the draft model, and those kept
  std::int64_t passes = 0;                 // forward passes of the target after the prompt
};

// As generate: the same tokens where greedy, the same distribution where sampled (not the same
// draws). Both decoders are empty or hold the same text in sequence 0. `tokens`: of the two models'
// tokenizers. `max_draft` (>= 1) tokens at most are drafted at a time; fewer while few are kept.
// Throws as generate does.
Generated generate_speculative(Decoder& target, Decoder& draft, const Tokenizer& tokenizer,
                               const DraftTokens& tokens, std::span<const TokenId> prompt,
                               const GenerateOptions& options, int max_draft,
                               SpeculativeStats& stats,
                               const std::function<bool(std::string_view piece)>& on_text = {});
// For models without tokenizers, of the same ids: see generate_ids.
Generated generate_speculative_ids(Decoder& target, Decoder& draft, std::span<const TokenId> prompt,
                                   const GenerateOptions& options, int max_draft,
                                   SpeculativeStats& stats);

}  // namespace limbeck
