// What a Grammar is made of: rules, each an automaton over bytes whose moves can also call other
// rules. No rule matches the empty text, and no rule starts with itself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/base/error.h"
#include "limbeck/base/limits.h"
#include "limbeck/text/cpu_time.h"
#include "limbeck/text/grammar.h"

namespace limbeck {

using NodeId = std::uint32_t;
using RuleId = std::uint32_t;

struct GrammarLimits {
  std::size_t source_bytes = limits().schema_source_bytes, depth = limits().schema_depth;
  std::size_t expansions = limits().schema_expansions;  // $ref followed and allOf merged
  std::size_t nodes = limits().schema_nodes, moves = limits().schema_moves;
  std::size_t choices = limits().schema_choices;  // of one enum
  // Of the thread's processor time, to end within 500 ms.
  double seconds = static_cast<double>(limits().schema_milliseconds) / 1000;
};

struct Grammar::Rules {
  struct ByteMove {
    std::uint8_t low, high;
    NodeId target;
  };
  struct CallMove {
    RuleId rule;
    NodeId target;  // where to go on when the rule has matched
  };
  struct Node {
    std::uint32_t bytes_begin = 0, bytes_end = 0;  // of byte_moves
    std::uint32_t calls_begin = 0, calls_end = 0;
    std::uint32_t empty_begin = 0, empty_end = 0;
    bool accepts = false;  // the rule may end here
    // For the next `margin` bytes this node goes on exactly as node `alike` does (positions in a
    // string whose length is counted, far from the bounds).
    NodeId alike = 0;
    std::uint32_t margin = 0;
  };
  std::vector<Node> nodes;
  std::vector<ByteMove> byte_moves;
  std::vector<CallMove> call_moves;
  std::vector<NodeId> empty_moves;
  std::vector<NodeId> starts;  // of each rule; rule 0 is the whole text

  std::span<const ByteMove> bytes_of(NodeId n) const {
    return std::span(byte_moves)
        .subspan(nodes[n].bytes_begin, nodes[n].bytes_end - nodes[n].bytes_begin);
  }
  std::span<const CallMove> calls_of(NodeId n) const {
    return std::span(call_moves)
        .subspan(nodes[n].calls_begin, nodes[n].calls_end - nodes[n].calls_begin);
  }
  std::span<const NodeId> empty_of(NodeId n) const {
    return std::span(empty_moves)
        .subspan(nodes[n].empty_begin, nodes[n].empty_end - nodes[n].empty_begin);
  }
};

// Builds rules. Each function that reads something goes from the node given to a new one, which it
// returns. Throws Error{format} when a limit is exceeded.
class RulesBuilder {
 public:
  explicit RulesBuilder(const GrammarLimits& limits = {})
      : limits_(limits), start_(thread_seconds()) {}

  RuleId add_rule();  // with a start node and nothing else
  NodeId start(RuleId rule) const { return starts_[rule]; }
  NodeId node();
  void accept(NodeId node) { nodes_[node].accepts = true; }
  void byte(NodeId from, std::uint8_t low, std::uint8_t high, NodeId to);
  void empty(NodeId from, NodeId to);
  void call(NodeId from, RuleId rule, NodeId to);

  NodeId literal(NodeId from, std::string_view bytes);
  NodeId call(NodeId from, RuleId rule);
  NodeId blanks(NodeId from);  // no more than kBlanks of JSON's white space
  // Any of the texts, sharing their beginnings. All go to `to`.
  void choices(NodeId from, std::vector<std::string> texts, NodeId to);

  // From `node`, the next `margin` bytes lead as from `like`.
  void alike(NodeId node, NodeId like, std::size_t margin) {
    nodes_[node].alike = like;
    nodes_[node].margin = static_cast<std::uint32_t>(std::min<std::size_t>(margin, 1u << 30));
  }

  // Checks the clock; called by whoever works without adding nodes.
  void tick();
  void check_time() const;
  const GrammarLimits& limits() const noexcept { return limits_; }

  // Drops what can never end. Throws Error{format} if nothing is left of rule 0, or if a rule
  // begins with itself; `what` names the source in errors.
  std::shared_ptr<const Grammar::Rules> finish(std::string_view what);

  static constexpr int kBlanks = 16;

  std::optional<RuleId> rare_character;  // made by string_of_length when first needed

 private:
  struct Node {
    std::vector<Grammar::Rules::ByteMove> bytes;
    std::vector<Grammar::Rules::CallMove> calls;
    std::vector<NodeId> empty;
    bool accepts = false;
    NodeId alike = 0;
    std::uint32_t margin = 0;
  };
  void count_move();
  std::vector<bool> productive() const;
  void refuse_left_recursion(const std::vector<bool>& keep, std::string_view what) const;

  GrammarLimits limits_;
  double start_;
  std::vector<Node> nodes_;
  std::vector<NodeId> starts_;
  std::size_t moves_ = 0, ticks_ = 0;
};

}  // namespace limbeck
