#include "limbeck/runtime/draft_tokens.h"

#include <map>
#include <string>
#include <utility>

#include "limbeck/base/error.h"

namespace limbeck {

DraftTokens::DraftTokens(const Tokenizer& target, const Tokenizer& draft)
    : target_(target), draft_(draft) {
  const auto key = [](const Tokenizer& tokenizer, TokenId id) {
    return std::pair(tokenizer.kind(id), tokenizer.token_bytes(id));
  };
  std::map<std::pair<TokenKind, std::string>, TokenId> known;
  for (TokenId id = 0; id < target.vocab_size(); ++id) known.emplace(key(target, id), id);
  for (TokenId id = 0; id < draft.vocab_size(); ++id) {
    // The same id first: a vocabulary may hold one text twice.
    const bool same = id < target.vocab_size() && key(target, id) == key(draft, id);
    const auto found = known.find(key(draft, id));
    if (!same && found == known.end()) {
      fail_try(ErrorKind::usage, "a draft distilled or cut from this model",
               "token {} of the draft's tokenizer is none of the model's", id);
    }
    of_target_.push_back(same ? id : found->second);
    of_draft_.emplace(of_target_.back(), id);
  }
}

void DraftTokens::append(TokenId target, std::vector<TokenId>& to) const {
  if (const auto found = of_draft_.find(target); found != of_draft_.end()) {
    to.push_back(found->second);
    return;
  }
  const auto spelled = draft_.encode(target_.token_bytes(target), false);
  to.insert(to.end(), spelled.begin(), spelled.end());
}

std::vector<TokenId> DraftTokens::of_draft(std::span<const TokenId> target) const {
  std::vector<TokenId> ids;
  for (const TokenId id : target) append(id, ids);
  return ids;
}

}  // namespace limbeck
