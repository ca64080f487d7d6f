#include "limbeck/text/merging.h"

#include <algorithm>
#include <array>
#include <limits>
#include <queue>
#include <unordered_map>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kEnd = kNoRank;

// Positions waiting for the merge of one rank, smallest first. They nearly always arrive in order;
// then this is a queue, otherwise it turns into a heap.
class Bucket {
 public:
  bool empty() const noexcept { return head_ == positions_.size(); }

  void push(std::uint32_t position) {
    if (!is_heap_ && !empty() && position < positions_.back()) {
      positions_.erase(positions_.begin(), positions_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
      is_heap_ = true;
      std::ranges::make_heap(positions_, std::greater<>());
    }
    positions_.push_back(position);
    if (is_heap_) std::ranges::push_heap(positions_, std::greater<>());
  }

  std::uint32_t pop() {
    if (is_heap_) {
      std::ranges::pop_heap(positions_, std::greater<>());
      const auto position = positions_.back();
      positions_.pop_back();
      if (positions_.empty()) is_heap_ = false;
      return position;
    }
    const auto position = positions_[head_++];
    if (empty()) {
      positions_.clear();
      head_ = 0;
    }
    return position;
  }

 private:
  std::vector<std::uint32_t> positions_;
  std::size_t head_ = 0;
  bool is_heap_ = false;
};

// Pending merges by rank.
class Agenda {
 public:
  bool empty() const noexcept { return ranks_.empty(); }

  void push(std::uint32_t rank, std::uint32_t position) {
    Bucket& bucket = buckets_[rank];
    if (bucket.empty()) ranks_.push(rank);
    bucket.push(position);
  }

  std::pair<std::uint32_t, std::uint32_t> pop() {  // rank, position
    const std::uint32_t rank = ranks_.top();
    Bucket& bucket = buckets_.find(rank)->second;
    const std::uint32_t position = bucket.pop();
    if (bucket.empty()) ranks_.pop();
    return {rank, position};
  }

 private:
  std::unordered_map<std::uint32_t, Bucket> buckets_;
  std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> ranks_;
};

struct Symbol {
  TokenId id;
  std::uint32_t previous, next;  // kEnd at the ends
  std::uint32_t rank;            // of its merge with the next one; kNoRank: none, or merged away
};

}  // namespace

void merge_short(std::vector<TokenId>& symbols, const MergeRules& rules) {
  std::array<const MergeTable::Entry*, 64> pairs{};  // [i]: of symbols i and i + 1
  LIMBECK_ASSERT(symbols.size() <= pairs.size());
  std::size_t n = symbols.size();
  for (std::size_t i = 0; i + 1 < n; ++i) pairs[i] = rules.find(symbols[i], symbols[i + 1]);
  while (n > 1) {
    std::size_t best = n;
    std::uint32_t rank = kNoRank;
    for (std::size_t i = 0; i + 1 < n; ++i) {
      if (pairs[i] && pairs[i]->rank < rank) {
        rank = pairs[i]->rank;
        best = i;
      }
    }
    if (best == n) break;
    symbols[best] = pairs[best]->result;
    std::copy(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 2,
              symbols.begin() + static_cast<std::ptrdiff_t>(n),
              symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    std::copy(pairs.begin() + best + 1, pairs.begin() + n - 1, pairs.begin() + best);
    --n;
    if (best > 0) pairs[best - 1] = rules.find(symbols[best - 1], symbols[best]);
    if (best + 1 < n) pairs[best] = rules.find(symbols[best], symbols[best + 1]);
  }
  symbols.resize(n);
}

void merge_long(std::vector<TokenId>& ids, const MergeRules& rules) {
  const auto n = static_cast<std::uint32_t>(ids.size());
  std::vector<Symbol> symbols(n);
  Agenda agenda;
  const auto look = [&](std::uint32_t at) {  // notes the merge of `at` with its right neighbour
    Symbol& symbol = symbols[at];
    symbol.rank = kNoRank;
    if (symbol.next == kEnd) return;
    if (const auto* entry = rules.find(symbol.id, symbols[symbol.next].id)) {
      symbol.rank = entry->rank;
      agenda.push(entry->rank, at);
    }
  };
  for (std::uint32_t i = 0; i < n; ++i) {
    symbols[i] = {ids[i], i == 0 ? kEnd : i - 1, i + 1 == n ? kEnd : i + 1, kNoRank};
  }
  for (std::uint32_t i = 0; i < n; ++i) look(i);
  while (!agenda.empty()) {
    const auto [rank, at] = agenda.pop();
    Symbol& symbol = symbols[at];
    if (symbol.rank != rank) continue;  // what stood here has merged since
    const std::uint32_t gone = symbol.next;
    symbol.id = rules.find(symbol.id, symbols[gone].id)->result;
    symbol.next = symbols[gone].next;
    symbols[gone].rank = kNoRank;
    if (symbol.next != kEnd) symbols[symbol.next].previous = at;
    if (symbol.previous != kEnd) look(symbol.previous);
    look(at);
  }
  ids.clear();
  for (std::uint32_t i = 0; i < n; i = symbols[i].next) {
    ids.push_back(symbols[i].id);
    if (symbols[i].next == kEnd) break;
  }
}

}  // namespace limbeck
