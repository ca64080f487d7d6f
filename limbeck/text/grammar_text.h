// JSON strings and numbers as rules.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "limbeck/base/json.h"
#include "limbeck/text/grammar_rules.h"
#include "limbeck/text/pattern.h"

namespace limbeck {

// Any JSON string, quotation marks included: UTF-8 and every escape, no lone surrogates.
NodeId any_string(RulesBuilder& builder, NodeId from);
// A string of `least` to `most` characters; no more than 4,096 are counted where `most` is larger.
NodeId string_of_length(RulesBuilder& builder, NodeId from, std::size_t least, std::size_t most);
// A string whose text the automaton accepts, and of that length. Characters are written as they
// are, escaped only where JSON demands it.
NodeId string_of_pattern(RulesBuilder& builder, NodeId from, const PointAutomaton& pattern,
                         std::size_t least, std::size_t most);
// Any string but these; written as string_of_pattern does.
NodeId string_except(RulesBuilder& builder, NodeId from, const std::vector<std::string>& names);

// One end of a range of numbers, in decimal digits.
struct Bound {
  bool negative = false, exclusive = false;
  std::string whole, fraction;  // without leading, without trailing zeros; 0 is two empty strings

  // Throws Error{format} if `number` is none or not finite.
  static Bound of(const Json& number, bool exclusive);
};

// A number between the bounds. Integers have at most 18 digits; numbers with a bound have no
// exponent and at most 10 decimals, those without at most 16 digits before and after the point.
NodeId any_number(RulesBuilder& builder, NodeId from);
NodeId any_integer(RulesBuilder& builder, NodeId from);
NodeId number_between(RulesBuilder& builder, NodeId from, const std::optional<Bound>& low,
                      const std::optional<Bound>& high, bool integer);

}  // namespace limbeck
