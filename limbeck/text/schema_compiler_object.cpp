// Objects: properties in the order of the schema, optional ones left out or not.
#include <algorithm>

#include "limbeck/text/grammar_text.h"
#include "limbeck/text/json_pointer.h"
#include "limbeck/text/schema_compiler.h"

namespace limbeck {
namespace {

const Json* find(const Json& schema, const char* key) {
  const auto found = schema.find(key);
  return found == schema.end() ? nullptr : &*found;
}

}  // namespace

// Fills `properties`; false if no object can satisfy the schema.
bool SchemaCompiler::object_properties(const Place& place, std::vector<Property>& properties) {
  const Place named = part(place, "properties"), additional = part(place, "additionalProperties");
  std::vector<std::string> required;
  if (const Json* names = find(*place.schema, "required")) {
    if (!names->is_array()) bad(place, "required must be a list");
    for (const Json& name : *names) {
      if (!name.is_string()) bad(place, "required must list names");
      if (std::find(required.begin(), required.end(), name) == required.end())
        required.push_back(name);
    }
  }
  const auto needs = [&](const std::string& name) {
    return std::find(required.begin(), required.end(), name) != required.end();
  };
  if (named.schema) {
    if (!named.schema->is_object()) bad(place, "properties must be an object");
    for (const auto& [name, schema] : named.schema->items()) {
      if (schema == Json(false) && !needs(name)) continue;
      properties.push_back(
          {name, rule_for({&schema, place.root, pointer_step(named.pointer, name)}), needs(name)});
    }
  }
  for (const std::string& name : required) {
    if (named.schema && named.schema->contains(name)) continue;
    if (additional.schema && *additional.schema == Json(false)) return false;
    properties.push_back({name, additional.schema ? rule_for(additional) : any_rule(), true});
  }
  return true;
}

// Objects whose properties have no names in the schema.
void SchemaCompiler::free_object(const Place& place, RuleId value, NodeId from, NodeId to) {
  const std::size_t least = count(place, "minProperties", 0);
  const std::size_t most = count(place, "maxProperties", SIZE_MAX);
  NodeId at = from;
  for (std::size_t k = 0;; ++k) {
    if (k >= least) builder_.byte(at, '}', '}', to);
    if (k == most) return;
    const NodeId start = k == 0 ? at : builder_.blanks(builder_.literal(at, ","));
    const NodeId colon = builder_.literal(builder_.blanks(any_string(builder_, start)), ":");
    const NodeId behind = builder_.blanks(builder_.call(builder_.blanks(colon), value));
    if (k > least && most == SIZE_MAX) {
      builder_.empty(behind, at);
      return;
    }
    at = behind;
  }
}

void SchemaCompiler::expand_object(const Place& place, NodeId from, NodeId to) {
  std::vector<Property> properties;
  if (!object_properties(place, properties)) return;
  const Place additional = part(place, "additionalProperties");
  const bool open = additional.schema ? *additional.schema != Json(false)
                                      : !find(*place.schema, "properties") && properties.empty();
  const NodeId inside = builder_.blanks(builder_.literal(from, "{"));
  const auto extra = [&] { return additional.schema ? rule_for(additional) : any_rule(); };
  if (properties.empty() && open && !find(*place.schema, "properties"))
    return free_object(place, extra(), inside, to);

  const std::size_t n = properties.size();
  const auto required = static_cast<std::size_t>(std::count_if(
      properties.begin(), properties.end(), [](const Property& p) { return p.required; }));
  if (count(place, "minProperties", 0) > required)
    unsupported(place, "minProperties above the number of required properties");
  if (count(place, "maxProperties", SIZE_MAX) < n || (open && find(*place.schema, "maxProperties")))
    unsupported(place, "maxProperties below what the properties allow");

  // fresh[i]: nothing written, property i may come. written[i]: one was, those before i are done.
  // next[i]: as written[i], behind the comma. keys[i]: where the key of property i begins.
  std::vector<NodeId> written, next, keys;
  NodeId fresh = inside;
  for (std::size_t i = 0; i <= n; ++i) {
    written.push_back(builder_.node());
    next.push_back(builder_.node());
    keys.push_back(builder_.node());
  }
  std::vector<std::string> names;
  std::size_t left = required;
  for (std::size_t i = 0; i <= n; ++i) {
    if (i > 0 || n == 0) {
      if (left == 0) builder_.byte(written[i], '}', '}', to);
      builder_.empty(builder_.blanks(builder_.literal(written[i], ",")), next[i]);
    }
    builder_.empty(fresh, keys[i]);
    builder_.empty(next[i], keys[i]);
    if (i == n) break;
    const Property& property = properties[i];
    const NodeId key = builder_.literal(keys[i], to_text(Json(property.name)));
    const NodeId colon = builder_.blanks(builder_.literal(builder_.blanks(key), ":"));
    builder_.empty(builder_.blanks(builder_.call(colon, property.value)), written[i + 1]);
    names.push_back(property.name);
    left -= property.required;
    const NodeId skipped = builder_.node();
    if (!property.required) {
      builder_.empty(fresh, skipped);
      builder_.empty(next[i], next[i + 1]);
    }
    fresh = skipped;
  }
  builder_.byte(fresh, '}', '}', to);
  if (!open) return;
  // Names that the schema forbids stay forbidden.
  if (const Json* named = find(*place.schema, "properties"))
    for (const auto& item : named->items()) names.push_back(item.key());
  const NodeId key = string_except(builder_, keys[n], names);
  const NodeId colon = builder_.blanks(builder_.literal(builder_.blanks(key), ":"));
  builder_.empty(builder_.blanks(builder_.call(colon, extra())), written[n]);
}

}  // namespace limbeck
