// Token masks: the byte trie of a vocabulary walked with the positions of a grammar.
//
// Whether a token fits at a node is almost always settled within the node's own rule; that part is
// found once per node and kept. Only where the rule can end inside a token, the rest of that token
// depends on the callers and is walked each time.
#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <mutex>
#include <unordered_map>

#include "limbeck/text/grammar.h"
#include "limbeck/text/grammar_rules.h"
#include "limbeck/text/token_trie.h"

namespace limbeck {
namespace {

constexpr std::size_t kCacheBytes = 64u << 20;

// What a node allows by itself.
struct NodeMask {
  std::vector<std::uint32_t> tokens;  // when few
  std::vector<std::uint64_t> words;   // when many
  std::vector<std::uint32_t> ends;    // trie nodes with children at which the rule may have ended

  std::size_t bytes() const {
    return sizeof(NodeMask) + 4 * (tokens.capacity() + ends.capacity()) + 8 * words.capacity();
  }
};

// Walks tries with positions whose frames live here: cheap to make, gone with the walker.
class Walker {
 public:
  struct Frame;
  struct Return {
    NodeId node;
    const Frame* outer;
  };
  struct Frame {
    const GrammarState::Frame* real = nullptr;  // returns are taken from there when needed
    mutable bool known = true;
    mutable std::vector<Return> returns;
  };
  struct Position {
    NodeId node;
    const Frame* frame;  // null: where the walk began, or the outermost rule
  };
  using Positions = std::vector<Position>;

  Walker(const Grammar::Rules& rules, const TokenTrie& trie) : rules_(rules), trie_(trie) {}

  const Frame* wrap(const GrammarState::Frame* real) {
    if (!real) return nullptr;
    const Frame*& frame = wrapped_[real];
    if (!frame) {
      frames_.emplace_back();
      frames_.back().real = real;
      frames_.back().known = false;
      frame = &frames_.back();
    }
    return frame;
  }

  // Adds what follows from (node, frame) without reading; true if a walk's first rule has ended.
  bool close(NodeId node, const Frame* frame, Positions& out) {
    called_.clear();
    bool ended = false;
    add(node, frame, out, ended);
    return ended;
  }

  // Calls token(id) for every token below trie node `at` (itself left out) that fits, and
  // end(trie node) where the first rule may end.
  template <typename Token, typename End>
  void walk(std::uint32_t at, const Positions& positions, std::size_t depth, Token&& token,
            End&& end) {
    if (levels_.size() <= depth) levels_.resize(depth + 1);
    for (std::uint32_t child = trie_.first_child(at); child < trie_.end_child(at); ++child) {
      levels_[depth].clear();
      const bool ended = step(positions, trie_.byte(child), levels_[depth]);
      if (ended && trie_.has_children(child)) end(child);
      if (levels_[depth].empty() && !ended) continue;
      for (const std::uint32_t id : trie_.tokens(child)) token(id);
      if (!levels_[depth].empty() && trie_.has_children(child)) {
        const Positions& next = levels_[depth];
        walk(child, next, depth + 1, token, end);
      }
    }
  }

 private:
  bool step(const Positions& positions, std::uint8_t byte, Positions& out) {
    called_.clear();
    bool ended = false;
    for (const Position& position : positions)
      for (const auto& move : rules_.bytes_of(position.node))
        if (move.low <= byte && byte <= move.high) add(move.target, position.frame, out, ended);
    return ended;
  }

  void add(NodeId node, const Frame* frame, Positions& out, bool& ended) {
    for (const Position& other : out)
      if (other.node == node && other.frame == frame) return;
    out.push_back({node, frame});
    const auto& kind = rules_.nodes[node];
    for (std::uint32_t i = kind.empty_begin; i < kind.empty_end; ++i)
      add(rules_.empty_moves[i], frame, out, ended);
    for (std::uint32_t i = kind.calls_begin; i < kind.calls_end; ++i) {
      const auto& call = rules_.call_moves[i];
      auto found = std::find_if(called_.begin(), called_.end(),
                                [&](const auto& c) { return c.first == call.rule; });
      const bool fresh = found == called_.end();
      if (fresh) {
        frames_.emplace_back();
        called_.emplace_back(call.rule, &frames_.back());
        found = called_.end() - 1;
      }
      found->second->returns.push_back({call.target, frame});
      if (fresh) add(rules_.starts[call.rule], found->second, out, ended);
    }
    if (!kind.accepts) return;
    if (!frame) ended = true;
    if (frame)
      for (std::size_t i = 0; i < returns_of(*frame).size(); ++i) {
        const Return back = frame->returns[i];
        add(back.node, back.outer, out, ended);
      }
  }

  const std::vector<Return>& returns_of(const Frame& frame) {
    if (!frame.known) {
      frame.known = true;
      for (const auto& back : frame.real->returns)
        frame.returns.push_back({back.node, wrap(back.outer.get())});
    }
    return frame.returns;
  }

  const Grammar::Rules& rules_;
  const TokenTrie& trie_;
  std::deque<Frame> frames_;
  std::unordered_map<const GrammarState::Frame*, const Frame*> wrapped_;
  std::vector<std::pair<RuleId, Frame*>> called_;  // at the byte being read
  std::deque<Positions> levels_;                   // buffers by depth
};

}  // namespace

struct TokenMask::Impl {
  explicit Impl(std::span<const std::string> tokens) : trie(tokens), n_tokens(tokens.size()) {}

  // Masks of one grammar's nodes.
  struct Cache {
    std::weak_ptr<const Grammar::Rules> rules;
    std::unordered_map<NodeId, std::shared_ptr<const NodeMask>> masks;
  };

  std::shared_ptr<const NodeMask> mask_of(const std::shared_ptr<const Grammar::Rules>& rules,
                                          NodeId node) {
    {
      const std::lock_guard lock(mutex);
      Cache& cache = caches[rules.get()];
      if (cache.rules.lock() != rules) {  // another grammar lived at this address before
        cache.masks.clear();
        cache.rules = rules;
      }
      if (const auto found = cache.masks.find(node); found != cache.masks.end())
        return found->second;
    }
    auto mask = std::make_shared<const NodeMask>(make(*rules, node));
    const std::lock_guard lock(mutex);
    if (cached_bytes + mask->bytes() > kCacheBytes) {
      caches.clear();
      cached_bytes = 0;
    }
    Cache& cache = caches[rules.get()];
    cache.rules = rules;
    if (cache.masks.emplace(node, mask).second) cached_bytes += mask->bytes();
    return mask;
  }

  NodeMask make(const Grammar::Rules& rules, NodeId node) const {
    NodeMask mask;
    Walker walker(rules, trie);
    Walker::Positions positions = {
        {node, nullptr}};  // what follows from it is a position of its own
    walker.walk(
        TokenTrie::kRoot, positions, 0, [&](std::uint32_t id) { mask.tokens.push_back(id); },
        [&](std::uint32_t at) { mask.ends.push_back(at); });
    if (mask.tokens.size() * 32 > n_tokens) {
      mask.words.assign(n_words(), 0);
      for (const std::uint32_t id : mask.tokens)
        mask.words[id / 64] |= std::uint64_t{1} << (id % 64);
      mask.tokens = {};
    }
    mask.tokens.shrink_to_fit();
    mask.ends.shrink_to_fit();
    return mask;
  }

  std::size_t n_words() const { return (n_tokens + 63) / 64; }

  TokenTrie trie;
  std::size_t n_tokens;
  std::mutex mutex;
  std::map<const Grammar::Rules*, Cache> caches;
  std::size_t cached_bytes = 0;
};

TokenMask::TokenMask(std::span<const std::string> tokens) : impl_(std::make_unique<Impl>(tokens)) {}
TokenMask::~TokenMask() = default;
TokenMask::TokenMask(TokenMask&&) noexcept = default;
TokenMask& TokenMask::operator=(TokenMask&&) noexcept = default;

std::size_t TokenMask::n_words() const noexcept { return impl_->n_words(); }

void TokenMask::fill(const GrammarState& state, std::span<std::uint64_t> words) const {
  LIMBECK_ASSERT(words.size() == n_words());
  std::fill(words.begin(), words.end(), 0);
  const auto allow = [&](std::uint32_t id) { words[id / 64] |= std::uint64_t{1} << (id % 64); };
  Walker walker(*state.rules(), impl_->trie);
  for (const GrammarState::Position& position : state.positions()) {
    const auto& node = state.rules()->nodes[position.node];
    const bool alike = node.margin >= impl_->trie.longest();
    const auto mask = impl_->mask_of(state.rules(), alike ? node.alike : position.node);
    for (const std::uint32_t id : mask->tokens) allow(id);
    for (std::size_t i = 0; i < mask->words.size(); ++i) words[i] |= mask->words[i];
    if (mask->ends.empty() || !position.frame) continue;
    // Tokens that go on behind the end of the rule, with its callers.
    Walker::Positions behind;
    for (const auto& back : position.frame->returns)
      walker.close(back.node, walker.wrap(back.outer.get()), behind);
    for (const std::uint32_t at : mask->ends)
      walker.walk(at, behind, 0, allow, [](std::uint32_t) {});
  }
}

void TokenMask::fill(const GrammarState& state, std::vector<bool>& allowed) const {
  std::vector<std::uint64_t> words(n_words());
  fill(state, words);
  allowed.assign(impl_->n_tokens, false);
  for (std::size_t i = 0; i < words.size(); ++i)
    for (std::uint64_t bits = words[i]; bits != 0; bits &= bits - 1)
      allowed[i * 64 + static_cast<std::size_t>(__builtin_ctzll(bits))] = true;
}

}  // namespace limbeck
