// The vocabulary of a draft model in the terms of its target's: the same, or part of it, as of a
// student whose vocabulary was cut down to its task.
#pragma once

#include <span>
#include <unordered_map>
#include <vector>

#include "limbeck/text/tokenizer.h"

namespace limbeck {

class DraftTokens {
 public:
  // Throws Error{usage} if the draft has a token that the target lacks. Both must outlive this.
  DraftTokens(const Tokenizer& target, const Tokenizer& draft);

  std::size_t size() const { return of_target_.size(); }  // of the draft's vocabulary
  TokenId of_target(TokenId draft) const { return of_target_.at(static_cast<std::size_t>(draft)); }
  // Adds the draft's ids for a token of the target: one, or those that spell what it lacks.
  void append(TokenId target, std::vector<TokenId>& to) const;
  std::vector<TokenId> of_draft(std::span<const TokenId> target) const;

 private:
  const Tokenizer &target_, &draft_;
  std::vector<TokenId> of_target_;  // [draft's vocabulary]
  std::unordered_map<TokenId, TokenId> of_draft_;
};

}  // namespace limbeck
