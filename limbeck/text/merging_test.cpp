#include "limbeck/text/merging.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "limbeck/base/random.h"

namespace limbeck {
namespace {

using Ids = std::vector<TokenId>;

// The definition: find the pair of lowest rank, leftmost of equals, merge it; again.
Ids merge_by_definition(Ids symbols, const MergeRules& rules) {
  while (true) {
    const MergeTable::Entry* best = nullptr;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto* entry = rules.find(symbols[i], symbols[i + 1]);
      if (entry && (!best || entry->rank < best->rank)) {
        best = entry;
        at = i;
      }
    }
    if (!best) return symbols;
    symbols[at] = best->result;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

// Random rules over a small alphabet: ranks in no helpful order, some equal.
std::vector<Merge> random_rules(Random& random) {
  const auto n = 2 + random.below(4);
  std::vector<Merge> rules;
  std::set<std::pair<TokenId, TokenId>> seen;
  TokenId next = static_cast<TokenId>(n);
  for (int i = 0; i < 30; ++i) {
    const auto left = static_cast<TokenId>(random.below(static_cast<std::uint64_t>(next)));
    const auto right = static_cast<TokenId>(random.below(static_cast<std::uint64_t>(next)));
    if (!seen.emplace(left, right).second) continue;
    rules.push_back({left, right, next++, static_cast<std::uint32_t>(random.below(20))});
  }
  return rules;
}

TEST(Merging, BothWaysFollowTheDefinition) {
  Random random(1);
  for (int round = 0; round < 400; ++round) {
    const auto rules = random_rules(random);
    const MergeTable table(rules);
    const std::vector<bool> banned = [&] {
      std::vector<bool> ids(64);
      ids[static_cast<std::size_t>(rules[0].result)] = round % 2 == 0;
      return ids;
    }();
    const MergeRules ask(table, &banned);
    Ids symbols(random.below(33));
    for (auto& s : symbols) s = static_cast<TokenId>(random.below(3));
    const Ids expected = merge_by_definition(symbols, ask);
    Ids by_scan = symbols, by_agenda = symbols;
    merge_short(by_scan, ask);
    ASSERT_EQ(by_scan, expected);
    if (!by_agenda.empty()) merge_long(by_agenda, ask);
    ASSERT_EQ(by_agenda, expected);
  }
}

TEST(Merging, LongRunsOfOneSymbol) {
  std::vector<Merge> rules;  // a a -> 1, 1 1 -> 2, 2 2 -> 3, ...
  for (TokenId i = 0; i < 12; ++i) rules.push_back({i, i, i + 1, static_cast<std::uint32_t>(i)});
  const MergeTable table(rules);
  Ids symbols(4096 * 5 + 3, 0);
  merge_long(symbols, MergeRules(table, nullptr));
  EXPECT_EQ(symbols, (Ids{12, 12, 12, 12, 12, 1, 0}));
}

TEST(MergeTable, ARepeatedPairKeepsItsLastRank) {
  const std::vector<Merge> rules = {{0, 1, 2, 0}, {0, 1, 3, 7}};
  const MergeTable table(rules);
  ASSERT_NE(table.find(0, 1), nullptr);
  EXPECT_EQ(table.find(0, 1)->rank, 7u);
  EXPECT_EQ(table.find(1, 0), nullptr);
}

}  // namespace
}  // namespace limbeck
