// Regular expressions of JSON Schema ("pattern"): the regular subset of ECMA-262, as an automaton
// over code points. No backtracking: matching is linear in text and states.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace limbeck {

// Code points [low, high].
struct PointRange {
  std::uint32_t low, high;
};

// Accepts exactly the texts that the pattern matches somewhere (as JSON Schema wants), so anchors
// and the free text around the match are part of it. Edges carry one range each.
struct PointAutomaton {
  struct Edge {
    PointRange on;
    std::uint32_t target;
  };
  struct State {
    std::vector<Edge> edges;
    std::vector<std::uint32_t> empty;  // moves that read nothing
    bool accepts = false;
  };
  std::vector<State> states;
  std::uint32_t start = 0;

  bool accepts(std::string_view utf8) const;
};

struct PatternLimits {
  std::size_t source_bytes = 8u << 10, depth = 64, states = 20'000;
};

// Knows literals, ., classes, \d \w \s and their opposites, escapes, groups, alternatives, ^ $, and
// * + ? {m,n} greedy or lazy. Throws Error{unsupported} on look-around, back references, \b and
// \p{..}; Error{format} on bad syntax and exceeded limits. `origin` names the pattern in errors.
PointAutomaton compile_pattern(std::string_view source, std::string_view origin,
                               const PatternLimits& limits = {});

}  // namespace limbeck
