#include "limbeck/text/grammar_rules.h"

#include <algorithm>

namespace limbeck {

void RulesBuilder::tick() {
  if (++ticks_ % 256 == 0) check_time();
}

void RulesBuilder::check_time() const {
  if (thread_seconds() - start_ > limits_.seconds)
    fail(ErrorKind::format, "the schema takes more than {:.0f} ms to compile",
         limits_.seconds * 1000);
}

NodeId RulesBuilder::node() {
  tick();
  if (nodes_.size() >= limits_.nodes)
    fail(ErrorKind::format, "the schema needs more than {} states", limits_.nodes);
  nodes_.emplace_back();
  return static_cast<NodeId>(nodes_.size() - 1);
}

RuleId RulesBuilder::add_rule() {
  starts_.push_back(node());
  return static_cast<RuleId>(starts_.size() - 1);
}

void RulesBuilder::count_move() {
  tick();
  if (++moves_ > limits_.moves)
    fail(ErrorKind::format, "the schema needs more than {} moves between states", limits_.moves);
}
void RulesBuilder::byte(NodeId from, std::uint8_t low, std::uint8_t high, NodeId to) {
  count_move();
  nodes_[from].bytes.push_back({low, high, to});
}
void RulesBuilder::empty(NodeId from, NodeId to) {
  count_move();
  nodes_[from].empty.push_back(to);
}
void RulesBuilder::call(NodeId from, RuleId rule, NodeId to) {
  count_move();
  nodes_[from].calls.push_back({rule, to});
}

NodeId RulesBuilder::literal(NodeId from, std::string_view bytes) {
  for (const char c : bytes) {
    const NodeId to = node();
    byte(from, static_cast<std::uint8_t>(c), static_cast<std::uint8_t>(c), to);
    from = to;
  }
  return from;
}

NodeId RulesBuilder::call(NodeId from, RuleId rule) {
  const NodeId to = node();
  call(from, rule, to);
  return to;
}

NodeId RulesBuilder::blanks(NodeId from) {
  const NodeId end = node();
  empty(from, end);
  for (int i = 0; i < kBlanks; ++i) {
    const NodeId next = i + 1 < kBlanks ? node() : end;
    for (const char blank : {' ', '\t', '\n', '\r'}) {
      const auto c = static_cast<std::uint8_t>(blank);
      byte(from, c, c, next);
    }
    if (next != end) empty(next, end);
    from = next;
  }
  return end;
}

void RulesBuilder::choices(NodeId from, std::vector<std::string> texts, NodeId to) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  // Sorted texts share what the previous one has on its path: path[k] is the node behind k bytes.
  std::vector<NodeId> path = {from};
  std::string_view previous;
  for (const std::string& text : texts) {
    const auto split = std::mismatch(text.begin(), text.end(), previous.begin(), previous.end());
    path.resize(static_cast<std::size_t>(split.first - text.begin()) + 1);
    for (std::size_t i = path.size() - 1; i < text.size(); ++i)
      path.push_back(literal(path.back(), std::string_view(text).substr(i, 1)));
    empty(path.back(), to);
    previous = text;
  }
}

// Nodes from which the rule's end can be reached, calling only rules that can end.
std::vector<bool> RulesBuilder::productive() const {
  const std::size_t n = nodes_.size();
  std::vector<std::vector<NodeId>> back(n);  // sources of byte and empty moves
  struct Call {
    NodeId from, to;
  };
  std::vector<std::vector<Call>> callers(starts_.size());            // of each rule
  std::vector<std::vector<std::pair<RuleId, NodeId>>> returning(n);  // calls that return here
  for (NodeId from = 0; from < n; ++from) {
    for (const auto& move : nodes_[from].bytes) back[move.target].push_back(from);
    for (const NodeId to : nodes_[from].empty) back[to].push_back(from);
    for (const auto& move : nodes_[from].calls) {
      callers[move.rule].push_back({from, move.target});
      returning[move.target].emplace_back(move.rule, from);
    }
  }
  std::vector<std::vector<RuleId>> started(n);  // rules that start here
  for (RuleId rule = 0; rule < starts_.size(); ++rule) started[starts_[rule]].push_back(rule);

  std::vector<bool> good(n, false);
  std::vector<NodeId> work;
  const auto add = [&](NodeId node) {
    if (good[node]) return;
    good[node] = true;
    work.push_back(node);
  };
  for (NodeId node = 0; node < n; ++node)
    if (nodes_[node].accepts) add(node);
  while (!work.empty()) {
    const NodeId node = work.back();
    work.pop_back();
    for (const NodeId from : back[node]) add(from);
    for (const auto& [rule, from] : returning[node])
      if (good[starts_[rule]]) add(from);
    for (const RuleId rule : started[node])
      for (const Call& call : callers[rule])
        if (good[call.to]) add(call.from);
  }
  return good;
}

// A rule that can call itself before it reads a byte would expand for ever.
void RulesBuilder::refuse_left_recursion(const std::vector<bool>& keep,
                                         std::string_view what) const {
  enum : std::uint8_t { unseen, open, done };
  // The graph of nodes: empty moves, and calls to the start of their rule.
  std::vector<std::uint8_t> state(nodes_.size(), unseen);
  std::vector<std::pair<NodeId, std::size_t>> path;
  const auto next_of = [&](NodeId node, std::size_t i) {
    const Node& from = nodes_[node];
    return i < from.empty.size() ? from.empty[i] : starts_[from.calls[i - from.empty.size()].rule];
  };
  // Cycles of empty moves alone are harmless: only a cycle through a call counts.
  std::vector<std::size_t> calls_before;
  for (const NodeId start : starts_) {
    if (state[start] != unseen || !keep[start]) continue;
    path.push_back({start, 0});
    calls_before.push_back(0);
    state[start] = open;
    while (!path.empty()) {
      auto& [node, i] = path.back();
      const Node& from = nodes_[node];
      if (i == from.empty.size() + from.calls.size()) {
        state[node] = done;
        path.pop_back();
        calls_before.pop_back();
        continue;
      }
      const bool is_call = i >= from.empty.size();
      const NodeId to = next_of(node, i);
      ++i;
      if (!keep[to] || state[to] == done) continue;
      const std::size_t calls = calls_before.back() + is_call;
      if (state[to] == unseen) {
        state[to] = open;
        path.push_back({to, 0});
        calls_before.push_back(calls);
        continue;
      }
      const auto at = std::find_if(path.begin(), path.end(),
                                   [&, target = to](const auto& p) { return p.first == target; });
      if (calls > calls_before[static_cast<std::size_t>(at - path.begin())])
        fail(ErrorKind::format, "{}: a $ref leads back to itself without anything between", what);
    }
  }
}

std::shared_ptr<const Grammar::Rules> RulesBuilder::finish(std::string_view what) {
  const std::vector<bool> keep = productive();
  if (starts_.empty() || !keep[starts_[0]])
    fail(ErrorKind::format, "{}: no finite text satisfies it", what);
  refuse_left_recursion(keep, what);
  auto rules = std::make_shared<Grammar::Rules>();
  rules->starts = starts_;
  rules->nodes.reserve(nodes_.size());
  for (NodeId node = 0; node < nodes_.size(); ++node) {
    const Node& from = nodes_[node];
    Grammar::Rules::Node to;
    to.accepts = from.accepts;
    to.alike = from.alike;
    to.margin = from.margin;
    to.bytes_begin = static_cast<std::uint32_t>(rules->byte_moves.size());
    for (const auto& move : from.bytes)
      if (keep[move.target]) rules->byte_moves.push_back(move);
    to.bytes_end = static_cast<std::uint32_t>(rules->byte_moves.size());
    to.calls_begin = static_cast<std::uint32_t>(rules->call_moves.size());
    for (const auto& move : from.calls)
      if (keep[move.target] && keep[starts_[move.rule]]) rules->call_moves.push_back(move);
    to.calls_end = static_cast<std::uint32_t>(rules->call_moves.size());
    to.empty_begin = static_cast<std::uint32_t>(rules->empty_moves.size());
    for (const NodeId target : from.empty)
      if (keep[target]) rules->empty_moves.push_back(target);
    to.empty_end = static_cast<std::uint32_t>(rules->empty_moves.size());
    rules->nodes.push_back(to);
  }
  return rules;
}

}  // namespace limbeck
