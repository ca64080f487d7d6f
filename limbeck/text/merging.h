// The inner loop of BPE: merge the neighbours of lowest rank until none is left.
#pragma once

#include <functional>
#include <vector>

#include "limbeck/text/merge_table.h"

namespace limbeck {

// Asks the table; `banned` (empty: none) marks results that may not come out.
class MergeRules {
 public:
  MergeRules(const MergeTable& table, const std::vector<bool>* banned)
      : table_(table), banned_(banned) {}
  const MergeTable::Entry* find(TokenId left, TokenId right) const noexcept {
    const auto* entry = table_.find(left, right);
    if (entry && banned_ && (*banned_)[static_cast<std::size_t>(entry->result)]) return nullptr;
    return entry;
  }

 private:
  const MergeTable& table_;
  const std::vector<bool>* banned_;
};

// Merges `symbols` in place. Both give the same; the first is for words of a few dozen symbols (its
// time is quadratic), the second for any length (its time is linear but for the logarithm of the
// number of different ranks in play).
void merge_short(std::vector<TokenId>& symbols, const MergeRules& rules);
void merge_long(std::vector<TokenId>& symbols, const MergeRules& rules);

inline void merge_all(std::vector<TokenId>& symbols, const MergeRules& rules) {
  constexpr std::size_t kShort = 32;
  symbols.size() <= kShort ? merge_short(symbols, rules) : merge_long(symbols, rules);
}

}  // namespace limbeck
