// JSON numbers, with exact bounds: the digits of a number are compared with those of its bounds as
// they come.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "limbeck/text/grammar_text.h"

namespace limbeck {
namespace {

constexpr int kIntegerDigits = 18, kNumberDigits = 16, kDecimals = 10;

NodeId digits_up_to(RulesBuilder& b, NodeId from, int most, NodeId end) {
  b.empty(from, end);
  for (int i = 0; i < most; ++i) {
    const NodeId next = b.node();
    b.byte(from, '0', '9', next);
    b.empty(next, end);
    from = next;
  }
  return end;
}

// "0", or a digit other than 0 and up to `most` - 1 more.
NodeId whole_part(RulesBuilder& b, NodeId from, int most) {
  const NodeId end = b.node(), first = b.node();
  b.byte(from, '0', '0', end);
  b.byte(from, '1', '9', first);
  return digits_up_to(b, first, most - 1, end);
}

// Magnitudes between two bounds that are not negative. A state is how many digits were read and
// whether they still equal the bounds' digits; numbers of different lengths start apart.
class Magnitudes {
 public:
  Magnitudes(RulesBuilder& b, const Bound& low, const std::optional<Bound>& high, bool integer,
             NodeId end)
      : b_(b), low_(low), high_(high), integer_(integer), end_(end) {}

  // `allow_zero`: false below a minus sign, where JSON has "-0" but nobody wants it.
  void build(NodeId from, bool allow_zero) {
    const std::size_t least = std::max<std::size_t>(1, low_.whole.size());
    std::size_t most = high_ ? std::max<std::size_t>(1, high_->whole.size())
                             : static_cast<std::size_t>(integer_ ? kIntegerDigits : kNumberDigits);
    if (high_ && most < least) return;  // nothing lies between
    most = std::max(most, least);
    for (std::size_t length = least; length <= most; ++length) {
      length_ = length;
      allow_zero_ = allow_zero;
      nodes_.clear();
      const bool tight_low = length == least;
      const bool tight_high = high_ && length == std::max<std::size_t>(1, high_->whole.size());
      visit(from, State{0, tight_low, tight_high, true}, true);
    }
  }

 private:
  struct State {
    std::size_t read;  // digits, those behind the point included
    bool tight_low, tight_high;
    bool zero;  // nothing but zeros so far
    auto operator<=>(const State&) const = default;
  };

  // Digit `i` of a bound written with `length_` whole digits.
  char digit(const Bound& bound, std::size_t i) const {
    if (i < length_) {
      const std::size_t pad = length_ - std::min(length_, bound.whole.size());
      return i < pad ? '0' : bound.whole[i - pad];
    }
    const std::size_t k = i - length_;
    return k < bound.fraction.size() ? bound.fraction[k] : '0';
  }
  bool rest_is_zero(const Bound& bound, std::size_t from) const {
    for (std::size_t i = from; i < length_ + bound.fraction.size(); ++i)
      if (digit(bound, i) != '0') return false;
    return true;
  }
  bool may_end(const State& s) const {
    if (s.zero && !allow_zero_) return false;
    if (s.tight_low && (!rest_is_zero(low_, s.read) || low_.exclusive)) return false;
    return !s.tight_high || !high_->exclusive || !rest_is_zero(*high_, s.read);
  }
  NodeId node_of(const State& s) {
    const auto [found, added] = nodes_.try_emplace(s, 0);
    if (!added) return found->second;
    const NodeId node = found->second = b_.node();
    visit(node, s, false);
    return node;
  }

  void visit(NodeId at, const State& s, bool first) {
    NodeId from = at;
    if (s.read >= length_) {
      if (may_end(s)) b_.empty(at, end_);
      const std::size_t decimals = s.read - length_;
      const std::size_t most = std::max(
          {std::size_t{kDecimals}, low_.fraction.size(), high_ ? high_->fraction.size() : 0});
      if (integer_ || decimals >= most) return;
      if (decimals == 0) from = b_.literal(at, ".");
    }
    const char lowest = s.tight_low ? digit(low_, s.read) : '0';
    const char highest = s.tight_high ? digit(*high_, s.read) : '9';
    for (char c = lowest; c <= highest; ++c) {
      if (first && c == '0' && length_ > 1) continue;
      const State next{s.read + 1, s.tight_low && c == lowest, s.tight_high && c == highest,
                       s.zero && c == '0'};
      const auto byte = static_cast<std::uint8_t>(c);
      b_.byte(from, byte, byte, node_of(next));
    }
  }

  RulesBuilder& b_;
  Bound low_;
  std::optional<Bound> high_;
  bool integer_, allow_zero_ = true;
  NodeId end_;
  std::size_t length_ = 1;
  std::map<State, NodeId> nodes_;
};

Bound magnitude(Bound bound) {
  bound.negative = false;
  return bound;
}

}  // namespace

Bound Bound::of(const Json& number, bool exclusive) {
  if (!number.is_number()) fail(ErrorKind::format, "a bound must be a number");
  std::string text;
  if (number.is_number_float()) {
    const double value = number.get<double>();
    if (!std::isfinite(value)) fail(ErrorKind::format, "a bound must be finite");
    char buffer[512];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
    text.assign(buffer, end.ptr);
  } else {
    text = number.dump();
  }
  Bound bound;
  bound.exclusive = exclusive;
  bound.negative = text[0] == '-';
  if (bound.negative) text.erase(0, 1);
  const std::size_t point = std::min(text.find('.'), text.size());
  bound.whole = text.substr(0, point);
  if (point < text.size()) bound.fraction = text.substr(point + 1);
  bound.whole.erase(0, std::min(bound.whole.find_first_not_of('0'), bound.whole.size()));
  while (!bound.fraction.empty() && bound.fraction.back() == '0') bound.fraction.pop_back();
  if (bound.whole.empty() && bound.fraction.empty()) bound.negative = false;
  if (bound.whole.size() > 40 || bound.fraction.size() > 40)
    fail(ErrorKind::unsupported, "a bound of more than 40 digits");
  return bound;
}

NodeId any_integer(RulesBuilder& b, NodeId from) {
  const NodeId digits = b.node();
  b.empty(from, digits);
  b.byte(from, '-', '-', digits);
  return whole_part(b, digits, kIntegerDigits);
}

NodeId any_number(RulesBuilder& b, NodeId from) {
  const NodeId whole = [&] {
    const NodeId digits = b.node();
    b.empty(from, digits);
    b.byte(from, '-', '-', digits);
    return whole_part(b, digits, kNumberDigits);
  }();
  const NodeId scaled = b.node(), end = b.node();
  b.empty(whole, scaled);
  const NodeId first = b.node();
  b.byte(b.literal(whole, "."), '0', '9', first);
  digits_up_to(b, first, kNumberDigits - 1, scaled);
  // An exponent of at most two digits keeps the number finite.
  b.empty(scaled, end);
  const NodeId exponent = b.node(), sign = b.node(), digit = b.node();
  b.byte(scaled, 'e', 'e', exponent);
  b.byte(scaled, 'E', 'E', exponent);
  b.empty(exponent, sign);
  b.byte(exponent, '+', '+', sign);
  b.byte(exponent, '-', '-', sign);
  b.byte(sign, '0', '9', digit);
  b.empty(digit, end);
  b.byte(digit, '0', '9', end);
  return end;
}

NodeId number_between(RulesBuilder& b, NodeId from, const std::optional<Bound>& low,
                      const std::optional<Bound>& high, bool integer) {
  if (!low && !high) return integer ? any_integer(b, from) : any_number(b, from);
  const NodeId end = b.node();
  // Not negative: from max(low, 0) to high.
  if (!high || !high->negative)
    Magnitudes(b, low && !low->negative ? *low : Bound(), high, integer, end).build(from, true);
  // Negative: magnitudes from -min(high, 0) to -low.
  if (!low || low->negative) {
    const NodeId digits = b.literal(from, "-");
    const Bound least = high && high->negative ? magnitude(*high) : Bound();
    const std::optional<Bound> most = low ? std::optional(magnitude(*low)) : std::nullopt;
    Magnitudes(b, least, most, integer, end).build(digits, false);
  }
  return end;
}

}  // namespace limbeck
