#include "limbeck/text/pattern.h"

#include <algorithm>
#include <optional>

#include "limbeck/base/error.h"
#include "limbeck/base/utf8.h"

namespace limbeck {
namespace {

constexpr std::uint32_t kLast = 0x10ffff;
constexpr std::uint32_t kMost = 1000;  // of {m,n}

using Ranges = std::vector<PointRange>;

Ranges sorted(Ranges ranges) {
  std::sort(ranges.begin(), ranges.end(), [](auto a, auto b) { return a.low < b.low; });
  Ranges merged;
  for (const PointRange& r : ranges) {
    if (!merged.empty() && r.low <= merged.back().high + 1)
      merged.back().high = std::max(merged.back().high, r.high);
    else
      merged.push_back(r);
  }
  return merged;
}

Ranges inverted(const Ranges& ranges) {
  Ranges result;
  std::uint32_t next = 0;
  for (const PointRange& r : sorted(ranges)) {
    if (r.low > next) result.push_back({next, r.low - 1});
    next = r.high + 1;
  }
  if (next <= kLast) result.push_back({next, kLast});
  return result;
}

// The class that \d, \w, \s and their capitals stand for (ECMA-262).
std::optional<Ranges> escape_class(std::uint32_t letter) {
  const Ranges digits = {{'0', '9'}}, word = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
               space = {{9, 13},          {' ', ' '},       {0xa0, 0xa0},     {0x1680, 0x1680},
                        {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f},
                        {0x3000, 0x3000}, {0xfeff, 0xfeff}};
  switch (letter) {
    case 'd':
      return digits;
    case 'D':
      return inverted(digits);
    case 'w':
      return word;
    case 'W':
      return inverted(word);
    case 's':
      return space;
    case 'S':
      return inverted(space);
    default:
      return std::nullopt;
  }
}

// Reads the pattern and builds, for every part, states between a given start and a fresh end.
class Compiler {
 public:
  Compiler(std::string_view source, std::string_view origin, const PatternLimits& limits)
      : source_(source), origin_(origin), limits_(limits) {}

  PointAutomaton run() {
    if (source_.size() > limits_.source_bytes) error("it is too long");
    if (!is_utf8(source_)) error("it is not UTF-8");
    const std::uint32_t entry = state(), exit = alternatives(entry, 0);
    if (at_ < source_.size()) error("unexpected ')'");
    finish(entry, exit);
    return std::move(result_);
  }

 private:
  [[noreturn]] void error(std::string_view why) const {
    fail(ErrorKind::format, "{}: bad pattern '{}' at byte {}: {}", origin_, source_.substr(0, 80),
         at_, why);
  }
  [[noreturn]] void unsupported(std::string_view what) const {
    fail(ErrorKind::unsupported, "{}: pattern '{}': {} is not supported", origin_,
         source_.substr(0, 80), what);
  }
  std::uint32_t state() {
    if (result_.states.size() >= limits_.states)
      error(fmt::format("it needs more than {} states", limits_.states));
    result_.states.emplace_back();
    at_start_.emplace_back();
    at_end_.emplace_back();
    return static_cast<std::uint32_t>(result_.states.size() - 1);
  }
  void empty(std::uint32_t from, std::uint32_t to) { result_.states[from].empty.push_back(to); }
  bool more() const { return at_ < source_.size(); }
  bool skip(std::string_view text) {
    if (source_.substr(at_, text.size()) != text) return false;
    at_ += text.size();
    return true;
  }
  std::uint32_t take_point() {
    if (!more()) error("it ends too early");
    const CodePoint point = code_point_at(source_, at_);
    at_ += point.bytes;
    return point.value;
  }

  std::uint32_t alternatives(std::uint32_t from, std::size_t depth) {
    if (depth > limits_.depth) error(fmt::format("it nests deeper than {}", limits_.depth));
    const std::uint32_t end = state();
    do {
      const std::uint32_t branch = state();
      empty(from, branch);
      empty(sequence(branch, depth), end);
    } while (skip("|"));
    return end;
  }

  std::uint32_t sequence(std::uint32_t from, std::size_t depth) {
    while (more() && source_[at_] != '|' && source_[at_] != ')') from = repeated(from, depth);
    return from;
  }

  // One atom with its quantifier. The atom is compiled again from its source for every copy.
  std::uint32_t repeated(std::uint32_t from, std::size_t depth) {
    const std::size_t start = at_;
    const bool anchor = source_[at_] == '^' || source_[at_] == '$';
    const std::uint32_t once = state();
    empty(from, once);
    std::uint32_t end = atom(once, depth);
    std::uint32_t low = 1, high = 1;
    if (!quantifier(low, high)) return end;
    if (anchor) error("a quantifier after an anchor");
    const std::size_t behind = at_;
    const auto again = [&](std::uint32_t at) {
      at_ = start;
      const std::uint32_t to = atom(at, depth);
      at_ = behind;
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
    if (skip("*")) {
      low = 0, high = kUnbounded;
    } else if (skip("+")) {
      low = 1, high = kUnbounded;
    } else if (skip("?")) {
      low = 0, high = 1;
    } else if (!counted(low, high)) {
      return false;
    }
    skip("?");  // lazy: the same texts
    if (more() && (source_[at_] == '*' || source_[at_] == '+')) error("two quantifiers in a row");
    return true;
  }

  // {m}, {m,} or {m,n}; a brace that is none of them is a literal.
  bool counted(std::uint32_t& low, std::uint32_t& high) {
    const std::size_t start = at_;
    if (!skip("{")) return false;
    const auto number = [&](std::uint32_t& value) {
      const std::size_t from = at_;
      for (value = 0; more() && source_[at_] >= '0' && source_[at_] <= '9'; ++at_) {
        value = value * 10 + static_cast<std::uint32_t>(source_[at_] - '0');
        if (value > kMost) error(fmt::format("a count above {}", kMost));
      }
      return at_ > from;
    };
    bool good = number(low);
    high = low;
    if (good && skip(",") && !number(high)) high = kUnbounded;
    good = good && skip("}");
    if (!good) {
      at_ = start;
      return false;
    }
    if (high < low) error("a count with its ends exchanged");
    return true;
  }

  std::uint32_t atom(std::uint32_t from, std::size_t depth) {
    if (skip("^") || skip("$")) {
      const std::uint32_t to = state();
      (source_[at_ - 1] == '^' ? at_start_ : at_end_)[from].push_back(to);
      return to;
    }
    if (skip("(")) {
      if (skip("?")) {
        if (skip("<") && more() && source_[at_] != '=' && source_[at_] != '!') {
          while (take_point() != '>') continue;  // a name is only a name
        } else if (!skip(":")) {
          unsupported("look-around");
        }
      }
      const std::uint32_t to = alternatives(from, depth + 1);
      if (!skip(")")) error("a group is never closed");
      return to;
    }
    if (skip("[")) return match(from, char_class());
    if (skip(".")) return match(from, inverted({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}));
    if (skip("\\")) return match(from, escape(false));
    const std::uint32_t point = take_point();
    if (point == '*' || point == '+' || point == '?') {
      --at_;
      error("nothing to repeat");
    }
    return match(from, {{point, point}});
  }

  std::uint32_t match(std::uint32_t from, const Ranges& ranges) {
    const std::uint32_t to = state();
    for (const PointRange& range : sorted(ranges))
      result_.states[from].edges.push_back({range, to});
    return to;
  }

  // Behind a backslash.
  Ranges escape(bool in_class) {
    const std::uint32_t c = take_point();
    if (const auto known = escape_class(c)) return *known;
    const auto one = [](std::uint32_t p) { return Ranges{{p, p}}; };
    switch (c) {
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 't':
        return one('\t');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case '0':
        return one(0);
      case 'x':
        return one(hex(2));
      case 'u':
        return one(skip("{") ? braced_hex() : hex(4));
      case 'c': {
        const std::uint32_t letter = take_point();
        if (!((letter | 0x20) >= 'a' && (letter | 0x20) <= 'z')) error("bad control escape");
        return one(letter & 31);
      }
      case 'b':
        if (in_class) return one('\b');
        unsupported("\\b");
      case 'B':
        unsupported("\\B");
      case 'p':
      case 'P':
        unsupported("\\p");
      case 'k':
        unsupported("a back reference");
      default:
        break;
    }
    if (c >= '1' && c <= '9') unsupported("a back reference");
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) error("an unknown escape");
    return one(c);
  }
  std::uint32_t hex(std::size_t digits) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i) value = value * 16 + hex_digit();
    if (value >= 0xd800 && value < 0xdc00 && skip("\\u")) {
      const std::uint32_t low = hex(4);
      if (low < 0xdc00 || low > 0xdfff) error("a surrogate without its partner");
      return 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
    }
    return value;
  }
  std::uint32_t braced_hex() {
    std::uint32_t value = 0;
    while (!skip("}")) {
      value = value * 16 + hex_digit();
      if (value > kLast) error("no such character");
    }
    return value;
  }
  std::uint32_t hex_digit() {
    const std::uint32_t c = take_point();
    if (c >= '0' && c <= '9') return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') return (c | 0x20) - 'a' + 10;
    error("bad hexadecimal escape");
  }

  Ranges char_class() {
    const bool negated = skip("^");
    Ranges ranges;
    while (!skip("]")) {
      const Ranges first = class_part();
      if (source_.substr(at_, 1) == "-" && source_.substr(at_, 2) != "-]") {
        ++at_;
        const Ranges last = class_part();
        const bool single = first.size() == 1 && first[0].low == first[0].high &&
                            last.size() == 1 && last[0].low == last[0].high &&
                            first[0].low <= last[0].low;
        if (!single) error("a bad range in a class");
        ranges.push_back({first[0].low, last[0].low});
      } else {
        ranges.insert(ranges.end(), first.begin(), first.end());
      }
    }
    return negated ? inverted(ranges) : ranges;
  }
  Ranges class_part() {
    if (!more()) error("a class is never closed");
    if (skip("\\")) return escape(true);
    const std::uint32_t point = take_point();
    return {{point, point}};
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
    result_.states[begin].edges.push_back({{0, kLast}, prefix});
    result_.states[prefix].edges.push_back({{0, kLast}, prefix});
    empty(prefix, entry);
    empty(exit, suffix);
    result_.states[suffix].edges.push_back({{0, kLast}, suffix});
    result_.states[suffix].accepts = true;
    result_.start = begin;
  }

  std::string_view source_, origin_;
  PatternLimits limits_;
  PointAutomaton result_;
  std::vector<std::vector<std::uint32_t>> at_start_, at_end_;  // moves of ^ and $
  std::size_t at_ = 0;
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

std::string_view format_pattern(std::string_view format) noexcept {
  struct Row {
    std::string_view format, pattern;
  };
#define LIMBECK_DATE                                                                             \
  "(\\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|" \
  "1\\d|2[0-8]))|(\\d\\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
#define LIMBECK_TIME \
  "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)"
#define LIMBECK_LABEL "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
#define LIMBECK_OCTET "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
  // RFC 3339 without leap seconds, RFC 5321 mailboxes without quoting, RFC 4122, dotted quads.
  static constexpr Row kRows[] = {
      {"date", "^" LIMBECK_DATE "$"},
      {"time", "^" LIMBECK_TIME "$"},
      {"date-time", "^" LIMBECK_DATE "T" LIMBECK_TIME "$"},
      {"email", "^[A-Za-z0-9_+-]+(\\.[A-Za-z0-9_+-]+)*@" LIMBECK_LABEL "(\\." LIMBECK_LABEL ")+$"},
      {"uuid", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"},
      {"ipv4", "^(" LIMBECK_OCTET "\\.){3}" LIMBECK_OCTET "$"},
  };
#undef LIMBECK_DATE
#undef LIMBECK_TIME
#undef LIMBECK_LABEL
#undef LIMBECK_OCTET
  for (const Row& row : kRows)
    if (row.format == format) return row.pattern;
  return {};
}

}  // namespace limbeck
