// JSON strings (RFC 8259, section 7) over UTF-8 (RFC 3629).
#include <algorithm>
#include <map>

#include "limbeck/base/utf8.h"
#include "limbeck/text/grammar_text.h"

namespace limbeck {
namespace {

constexpr std::uint32_t kLast = 0x10ffff;
constexpr std::size_t kLongestString = 4096;  // that is written where more would be allowed

void hex_digits(RulesBuilder& b, NodeId from, int n, NodeId to) {
  for (int i = 0; i < n; ++i) {
    const NodeId next = i + 1 < n ? b.node() : to;
    b.byte(from, '0', '9', next);
    b.byte(from, 'a', 'f', next);
    b.byte(from, 'A', 'F', next);
    from = next;
  }
}

// Every way to write a character with a backslash.
void escapes(RulesBuilder& b, NodeId from, NodeId to) {
  const NodeId slash = b.literal(from, "\\");
  for (const char c : {'"', '\\', '/', 'b', 'f', 'n', 'r', 't'})
    b.byte(slash, static_cast<std::uint8_t>(c), static_cast<std::uint8_t>(c), to);
  const NodeId u = b.literal(slash, "u"), three = b.node();
  b.byte(u, '0', '9', three);
  for (const auto& [low, high] :
       {std::pair('a', 'c'), std::pair('e', 'f'), std::pair('A', 'C'), std::pair('E', 'F')})
    b.byte(u, static_cast<std::uint8_t>(low), static_cast<std::uint8_t>(high), three);
  hex_digits(b, three, 3, to);
  // D000..D7FF, or a pair of surrogates.
  const NodeId d = b.node(), two = b.node(), high_two = b.node(), pair = b.node();
  b.byte(u, 'd', 'd', d);
  b.byte(u, 'D', 'D', d);
  b.byte(d, '0', '7', two);
  hex_digits(b, two, 2, to);
  for (const auto& [low, high] : {std::pair('8', '9'), std::pair('a', 'b'), std::pair('A', 'B')})
    b.byte(d, static_cast<std::uint8_t>(low), static_cast<std::uint8_t>(high), high_two);
  hex_digits(b, high_two, 2, pair);
  const NodeId second = b.literal(pair, "\\u"), low_d = b.node(), low_two = b.node();
  b.byte(second, 'd', 'd', low_d);
  b.byte(second, 'D', 'D', low_d);
  b.byte(low_d, 'c', 'f', low_two);
  b.byte(low_d, 'C', 'F', low_two);
  hex_digits(b, low_two, 2, to);
}

// UTF-8 of the code points [low, high], which all need the same number of bytes.
void utf8_same_length(RulesBuilder& b, NodeId from, std::string_view low, std::string_view high,
                      NodeId to) {
  const auto at = [](std::string_view s, std::size_t i) { return static_cast<std::uint8_t>(s[i]); };
  if (low.size() == 1) return b.byte(from, at(low, 0), at(high, 0), to);
  const std::string bottom(low.size() - 1, '\x80'), top(low.size() - 1, '\xbf');
  const auto part = [&](std::uint8_t first, std::uint8_t last, std::string_view l,
                        std::string_view h) {
    const NodeId next = b.node();
    b.byte(from, first, last, next);
    utf8_same_length(b, next, l, h, to);
  };
  std::uint8_t first = at(low, 0), last = at(high, 0);
  const std::string_view low_rest = low.substr(1), high_rest = high.substr(1);
  if (first == last) return part(first, last, low_rest, high_rest);
  if (low_rest != bottom) part(first++, at(low, 0), low_rest, top);
  const bool tail = high_rest != top;
  if (tail) --last;
  if (first <= last) part(first, last, bottom, top);
  if (tail) part(at(high, 0), at(high, 0), bottom, high_rest);
}

void utf8_range(RulesBuilder& b, NodeId from, std::uint32_t low, std::uint32_t high, NodeId to) {
  constexpr PointRange kLengths[] = {
      {0, 0x7f}, {0x80, 0x7ff}, {0x800, 0xd7ff}, {0xe000, 0xffff}, {0x10000, kLast}};
  for (const PointRange& length : kLengths) {
    const std::uint32_t first = std::max(low, length.low), last = std::min(high, length.high);
    if (first > last) continue;
    std::string a, z;
    append_utf8(a, first);
    append_utf8(z, last);
    utf8_same_length(b, from, a, z, to);
  }
}

// The characters of a range as JSON writes them, escaped only where it must.
void characters(RulesBuilder& b, NodeId from, PointRange range, NodeId to) {
  constexpr std::string_view kShort = "\b\f\n\r\t", kLetters = "bfnrt";
  for (std::uint32_t c = range.low; c < 0x20 && c <= range.high; ++c) {
    const std::size_t k = kShort.find(static_cast<char>(c));
    const std::string text =
        k != std::string_view::npos ? std::string("\\") + kLetters[k] : fmt::format("\\u{:04x}", c);
    b.empty(b.literal(from, text), to);
  }
  for (const std::uint32_t quoted : {std::uint32_t{'"'}, std::uint32_t{'\\'}})
    if (range.low <= quoted && quoted <= range.high)
      b.empty(b.literal(from, std::string("\\") + static_cast<char>(quoted)), to);
  constexpr PointRange kPlain[] = {{0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, kLast}};
  for (const PointRange& plain : kPlain) {
    const std::uint32_t low = std::max(range.low, plain.low),
                        high = std::min(range.high, plain.high);
    if (low <= high) utf8_range(b, from, low, high, to);
  }
}

// A character outside ASCII, or an escape.
void rare_character(RulesBuilder& b, NodeId from, NodeId to) {
  utf8_range(b, from, 0x80, kLast, to);
  escapes(b, from, to);
}

void ascii_character(RulesBuilder& b, NodeId from, NodeId to) {
  b.byte(from, 0x20, '"' - 1, to);
  b.byte(from, '"' + 1, '\\' - 1, to);
  b.byte(from, '\\' + 1, 0x7f, to);
}

}  // namespace

NodeId any_string(RulesBuilder& b, NodeId from) {
  const NodeId inside = b.literal(from, "\"");
  ascii_character(b, inside, inside);
  rare_character(b, inside, inside);
  return b.literal(inside, "\"");
}

NodeId string_of_length(RulesBuilder& b, NodeId from, std::size_t least, std::size_t most) {
  if (most == SIZE_MAX && least == 0) return any_string(b, from);
  if (most != SIZE_MAX) most = std::min(most, std::max(least, kLongestString));
  const std::size_t counted = most == SIZE_MAX ? least : most;
  // Most characters are one byte, so counting takes one state each; the others share a rule.
  if (!b.rare_character) {
    b.rare_character = b.add_rule();
    const NodeId behind = b.node();
    rare_character(b, b.start(*b.rare_character), behind);
    b.accept(behind);
  }
  const auto any_character = [&](NodeId at, NodeId to) {
    ascii_character(b, at, to);
    b.call(at, *b.rare_character, to);
  };
  NodeId at = b.literal(from, "\"");
  const NodeId end = b.node();
  NodeId first = at;  // of those on this side of the lower bound
  for (std::size_t i = 0; i < counted; ++i) {
    if (i == least) first = at;
    if (i >= least) b.byte(at, '"', '"', end);
    b.alike(at, first, (i < least ? least : counted) - i);
    const NodeId next = b.node();
    any_character(at, next);
    at = next;
  }
  b.byte(at, '"', '"', end);
  if (most == SIZE_MAX) any_character(at, at);
  return end;
}

NodeId string_of_pattern(RulesBuilder& b, NodeId from, const PointAutomaton& pattern,
                         std::size_t least, std::size_t most) {
  const bool bounded = most != SIZE_MAX;
  if (bounded) most = std::min(most, std::max(least, kLongestString));
  // States of the product with a counter that stops at what the bounds can tell apart.
  const std::size_t top = bounded ? most : least;
  std::map<std::pair<std::uint32_t, std::size_t>, NodeId> nodes;
  std::vector<std::pair<std::uint32_t, std::size_t>> work;
  const auto node_of = [&](std::uint32_t state, std::size_t count) {
    const auto [found, added] = nodes.try_emplace({state, count}, 0);
    if (added) {
      found->second = b.node();
      work.emplace_back(state, count);
    }
    return found->second;
  };
  const NodeId inside = b.literal(from, "\""), end = b.node();
  b.empty(inside, node_of(pattern.start, 0));
  while (!work.empty()) {
    const auto [state, count] = work.back();
    work.pop_back();
    const NodeId at = nodes.at({state, count});
    const auto& s = pattern.states[state];
    if (s.accepts && count >= least) b.byte(at, '"', '"', end);
    for (const std::uint32_t to : s.empty) b.empty(at, node_of(to, count));
    if (bounded && count == most) continue;
    for (const auto& edge : s.edges)
      characters(b, at, edge.on, node_of(edge.target, std::min(count + 1, top)));
  }
  // In the order of (state, count): the first node of a state on either side of the lower bound
  // stands for those behind it.
  NodeId like = 0;
  std::pair<std::uint32_t, bool> group{};
  for (const auto& [key, node] : nodes) {
    const auto& [state, count] = key;
    const std::pair<std::uint32_t, bool> mine{state, count >= least};
    if (like == 0 || mine != group) like = node;
    group = mine;
    b.alike(node, like, count < least ? least - count : top - count);
  }
  return end;
}

NodeId string_except(RulesBuilder& b, NodeId from, const std::vector<std::string>& names) {
  struct Branch {
    std::map<std::uint32_t, std::size_t> next;
    bool is_name = false;
  };
  std::vector<Branch> tree(1);
  for (const std::string& name : names) {
    std::size_t at = 0;
    for (std::size_t i = 0; i < name.size();) {
      const CodePoint point = code_point_at(name, i);
      i += point.bytes;
      const auto [found, added] = tree[at].next.try_emplace(point.value, tree.size());
      const std::size_t to = found->second;
      if (added) tree.emplace_back();
      at = to;
    }
    tree[at].is_name = true;
  }
  std::vector<NodeId> nodes;
  for (std::size_t i = 0; i < tree.size(); ++i) nodes.push_back(b.node());
  b.empty(b.literal(from, "\""), nodes[0]);
  const NodeId end = b.node(), other = b.node();
  characters(b, other, {0, kLast}, other);
  b.byte(other, '"', '"', end);
  for (std::size_t i = 0; i < tree.size(); ++i) {
    if (!tree[i].is_name) b.byte(nodes[i], '"', '"', end);
    std::uint32_t free = 0;
    for (const auto& [point, to] : tree[i].next) {
      characters(b, nodes[i], {point, point}, nodes[to]);
      if (point > free) characters(b, nodes[i], {free, point - 1}, other);
      free = point + 1;
    }
    if (free <= kLast) characters(b, nodes[i], {free, kLast}, other);
  }
  return end;
}

}  // namespace limbeck
