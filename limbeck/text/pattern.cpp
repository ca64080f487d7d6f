#include "limbeck/text/pattern.h"

#include <algorithm>

#include "limbeck/base/utf8.h"
#include "limbeck/text/pattern_class.h"

namespace limbeck {
namespace {

constexpr std::uint32_t kMost = 1000;  // of {m,n}

// Reads the pattern and builds, for every part, states between a given start and a fresh end.
class Compiler {
 public:
  Compiler(std::string_view source, std::string_view origin, const PatternLimits& limits)
      : c_{source, origin}, limits_(limits) {}

  PointAutomaton run() {
    if (c_.source.size() > limits_.source_bytes) c_.error("it is too long");
    if (!is_utf8(c_.source)) c_.error("it is not UTF-8");
    const std::uint32_t entry = state(), exit = alternatives(entry, 0);
    if (c_.at < c_.source.size()) c_.error("unexpected ')'");
    finish(entry, exit);
    return std::move(result_);
  }

 private:
  std::uint32_t state() {
    if (result_.states.size() >= limits_.states)
      c_.error(fmt::format("it needs more than {} states", limits_.states));
    result_.states.emplace_back();
    at_start_.emplace_back();
    at_end_.emplace_back();
    return static_cast<std::uint32_t>(result_.states.size() - 1);
  }
  void empty(std::uint32_t from, std::uint32_t to) { result_.states[from].empty.push_back(to); }

  std::uint32_t alternatives(std::uint32_t from, std::size_t depth) {
    if (depth > limits_.depth) c_.error(fmt::format("it nests deeper than {}", limits_.depth));
    const std::uint32_t end = state();
    do {
      const std::uint32_t branch = state();
      empty(from, branch);
      empty(sequence(branch, depth), end);
    } while (c_.skip("|"));
    return end;
  }

  std::uint32_t sequence(std::uint32_t from, std::size_t depth) {
    while (c_.more() && c_.source[c_.at] != '|' && c_.source[c_.at] != ')')
      from = repeated(from, depth);
    return from;
  }

  // One atom with its quantifier. The atom is compiled again from its source for every copy.
  std::uint32_t repeated(std::uint32_t from, std::size_t depth) {
    const std::size_t start = c_.at;
    const bool anchor = c_.source[c_.at] == '^' || c_.source[c_.at] == '$';
    const std::uint32_t once = state();
    empty(from, once);
    std::uint32_t end = atom(once, depth);
    std::uint32_t low = 1, high = 1;
    if (!quantifier(low, high)) return end;
    if (anchor) c_.error("a quantifier after an anchor");
    const std::size_t behind = c_.at;
    const auto again = [&](std::uint32_t at) {
      c_.at = start;
      const std::uint32_t to = atom(at, depth);
      c_.at = behind;
      return to;
    };
    const std::uint32_t exit = state();
    if (low == 0) empty(from, exit);
    for (std::uint32_t i = 1; i < low; ++i) end = again(end);
    if (high == kUnbounded) {
      const std::uint32_t loop = state();
      empty(end, loop);
      empty(again(loop), loop);
      empty(loop, exit);
      return exit;
    }
    if (high > 0) empty(end, exit);
    for (std::uint32_t i = std::max(low, 1u); i < high; ++i) {
      end = again(end);
      empty(end, exit);
    }
    return exit;
  }

  static constexpr std::uint32_t kUnbounded = 0xffffffff;

  bool quantifier(std::uint32_t& low, std::uint32_t& high) {
    if (c_.skip("*")) {
      low = 0, high = kUnbounded;
    } else if (c_.skip("+")) {
      low = 1, high = kUnbounded;
    } else if (c_.skip("?")) {
      low = 0, high = 1;
    } else if (!counted(low, high)) {
      return false;
    }
    c_.skip("?");  // lazy: the same texts
    if (c_.more() && (c_.source[c_.at] == '*' || c_.source[c_.at] == '+'))
      c_.error("two quantifiers in a row");
    return true;
  }

  // {m}, {m,} or {m,n}; a brace that is none of them is a literal.
  bool counted(std::uint32_t& low, std::uint32_t& high) {
    const std::size_t start = c_.at;
    if (!c_.skip("{")) return false;
    const auto number = [&](std::uint32_t& value) {
      const std::size_t from = c_.at;
      for (value = 0; c_.more() && c_.source[c_.at] >= '0' && c_.source[c_.at] <= '9'; ++c_.at) {
        value = value * 10 + static_cast<std::uint32_t>(c_.source[c_.at] - '0');
        if (value > kMost) c_.error(fmt::format("a count above {}", kMost));
      }
      return c_.at > from;
    };
    bool good = number(low);
    high = low;
    if (good && c_.skip(",") && !number(high)) high = kUnbounded;
    good = good && c_.skip("}");
    if (!good) {
      c_.at = start;
      return false;
    }
    if (high < low) c_.error("a count with its ends exchanged");
    return true;
  }

  std::uint32_t atom(std::uint32_t from, std::size_t depth) {
    if (c_.skip("^") || c_.skip("$")) {
      const std::uint32_t to = state();
      (c_.source[c_.at - 1] == '^' ? at_start_ : at_end_)[from].push_back(to);
      return to;
    }
    if (c_.skip("(")) {
      if (c_.skip("?")) {
        if (c_.skip("<") && c_.more() && c_.source[c_.at] != '=' && c_.source[c_.at] != '!') {
          while (c_.take_point() != '>') continue;  // a name is only a name
        } else if (!c_.skip(":")) {
          c_.unsupported("look-around");
        }
      }
      const std::uint32_t to = alternatives(from, depth + 1);
      if (!c_.skip(")")) c_.error("a group is never closed");
      return to;
    }
    if (c_.skip("[")) return match(from, read_class(c_));
    if (c_.skip(".")) return match(from, inverted({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}));
    if (c_.skip("\\")) return match(from, read_escape(c_));
    const std::uint32_t point = c_.take_point();
    if (point == '*' || point == '+' || point == '?') {
      --c_.at;
      c_.error("nothing to repeat");
    }
    return match(from, {{point, point}});
  }

  std::uint32_t match(std::uint32_t from, const PointRanges& ranges) {
    const std::uint32_t to = state();
    for (const PointRange& range : sorted(ranges))
      result_.states[from].edges.push_back({range, to});
    return to;
  }

  // States reachable from `from` by empty moves and by `extra` ones.
  std::vector<bool> closure(std::uint32_t from,
                            const std::vector<std::vector<std::uint32_t>>& extra) const {
    std::vector<bool> seen(result_.states.size(), false);
    std::vector<std::uint32_t> work = {from};
    seen[from] = true;
    while (!work.empty()) {
      const std::uint32_t s = work.back();
      work.pop_back();
      for (const auto* moves : {&result_.states[s].empty, &extra[s]})
        for (const std::uint32_t to : *moves)
          if (!seen[to]) {
            seen[to] = true;
            work.push_back(to);
          }
    }
    return seen;
  }

  // Puts free text around the match, and resolves the anchors: "^" holds only before the first
  // character, "$" only after the last.
  void finish(std::uint32_t entry, std::uint32_t exit) {
    const std::size_t n = result_.states.size();
    limits_.states += 4;
    // What the end of the text makes accepting: states that reach the exit by empty moves and $.
    std::vector<std::vector<std::uint32_t>> back(n);
    for (std::uint32_t s = 0; s < n; ++s) {
      for (const std::uint32_t to : result_.states[s].empty) back[to].push_back(s);
      for (const std::uint32_t to : at_end_[s]) back[to].push_back(s);
    }
    const std::vector<bool> first = closure(entry, at_start_);
    std::vector<std::vector<std::uint32_t>> both = at_start_;
    for (std::uint32_t s = 0; s < n; ++s)
      both[s].insert(both[s].end(), at_end_[s].begin(), at_end_[s].end());
    const bool empty_text = closure(entry, both)[exit];
    std::vector<std::uint32_t> work = {exit};
    result_.states[exit].accepts = true;
    while (!work.empty()) {
      const std::uint32_t s = work.back();
      work.pop_back();
      for (const std::uint32_t from : back[s])
        if (!result_.states[from].accepts) {
          result_.states[from].accepts = true;
          work.push_back(from);
        }
    }
    const std::uint32_t begin = state(), prefix = state(), suffix = state();
    for (std::uint32_t s = 0; s < n; ++s)
      if (first[s]) empty(begin, s);
    result_.states[begin].accepts = empty_text;
    result_.states[begin].edges.push_back({{0, kLastPoint}, prefix});
    result_.states[prefix].edges.push_back({{0, kLastPoint}, prefix});
    empty(prefix, entry);
    empty(exit, suffix);
    result_.states[suffix].edges.push_back({{0, kLastPoint}, suffix});
    result_.states[suffix].accepts = true;
    result_.start = begin;
  }

  PatternCursor c_;
  PatternLimits limits_;
  PointAutomaton result_;
  std::vector<std::vector<std::uint32_t>> at_start_, at_end_;  // moves of ^ and $
};

}  // namespace

PointAutomaton compile_pattern(std::string_view source, std::string_view origin,
                               const PatternLimits& limits) {
  return Compiler(source, origin, limits).run();
}

bool PointAutomaton::accepts(std::string_view utf8) const {
  std::vector<std::uint32_t> now, next;
  std::vector<std::size_t> seen(states.size(), 0);
  std::size_t round = 1;
  const auto add = [&](std::vector<std::uint32_t>& set, std::uint32_t s) {
    if (seen[s] == round) return;
    seen[s] = round;
    set.push_back(s);
  };
  const auto close = [&](std::vector<std::uint32_t>& set) {
    for (std::size_t i = 0; i < set.size(); ++i)
      for (const std::uint32_t to : states[set[i]].empty) add(set, to);
  };
  add(now, start);
  close(now);
  for (std::size_t i = 0; i < utf8.size();) {
    const CodePoint point = code_point_at(utf8, i);
    i += point.bytes;
    ++round;
    next.clear();
    for (const std::uint32_t s : now)
      for (const Edge& edge : states[s].edges)
        if (edge.on.low <= point.value && point.value <= edge.on.high) add(next, edge.target);
    close(next);
    now.swap(next);
  }
  return std::any_of(now.begin(), now.end(), [&](std::uint32_t s) { return states[s].accepts; });
}

}  // namespace limbeck
