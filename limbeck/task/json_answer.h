// JSON inside answers: finding it in a model's text, putting it in order, comparing it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/base/json.h"

namespace limbeck {

// The JSON value of an answer: the whole text, or what stands in its ``` fence, or the first
// balanced object or array in it; a leading <think>...</think> is passed over. nullopt if there is
// none.
std::optional<Json> find_json(std::string_view text);

// The same value with the keys of objects in the order of the schema's `properties`, others after
// them; what grammars from that schema accept.
Json in_schema_order(const Json& value, const Json& schema);

// Equality as two people would judge two records: the order of keys is nothing, 1 equals 1.0,
// strings without blanks at their ends, a null member equals an absent one. Arrays keep their
// order.
bool same_value(const Json& a, const Json& b);

// A leaf of a record: its path ("address.city", "items[].name": positions are forgotten) and its
// value as comparable text. Null leaves and empty containers give none.
struct Leaf {
  std::string path, value;
  auto operator<=>(const Leaf&) const = default;
};
std::vector<Leaf> leaves(const Json& record);  // sorted

}  // namespace limbeck
