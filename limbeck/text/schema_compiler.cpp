#include "limbeck/text/schema_compiler.h"

#include <algorithm>
#include <cmath>

#include "limbeck/text/format_pattern.h"
#include "limbeck/text/grammar_text.h"
#include "limbeck/text/json_pointer.h"
#include "limbeck/text/schema_merge.h"
#include "limbeck/text/schema_validator.h"

namespace limbeck {
namespace {

constexpr std::size_t kMostItems = 1000;  // that are written where more would be allowed

const Json* find(const Json& schema, const char* key) {
  const auto found = schema.find(key);
  return found == schema.end() ? nullptr : &*found;
}

std::size_t depth_of(const Json& json, std::size_t limit) {
  if (!json.is_structured() || limit == 0) return 0;
  std::size_t deepest = 0;
  for (const Json& item : json) deepest = std::max(deepest, depth_of(item, limit - 1));
  return deepest + 1;
}

}  // namespace

void check_schema_size(const Json& schema, const GrammarLimits& limits) {
  if (depth_of(schema, limits.depth + 1) > limits.depth)
    fail(ErrorKind::format, "the schema nests deeper than {}", limits.depth);
  if (to_text(schema).size() > limits.source_bytes)
    fail(ErrorKind::format, "the schema has more than {} bytes", limits.source_bytes);
}

void SchemaCompiler::bad(const Place& place, std::string_view why) const {
  fail(ErrorKind::format, "schema at '{}': {}", place.pointer.empty() ? "/" : place.pointer, why);
}
void SchemaCompiler::unsupported(const Place& place, std::string_view what) const {
  fail(ErrorKind::unsupported, "schema at '{}': {} is not supported",
       place.pointer.empty() ? "/" : place.pointer, what);
}
void SchemaCompiler::spend() {
  builder_.check_time();
  if (++expansions_ > builder_.limits().expansions)
    fail(ErrorKind::format, "the schema follows $ref and allOf more than {} times",
         builder_.limits().expansions);
}

void SchemaCompiler::compile(RuleId rule, const Json& schema) {
  check_schema_size(schema, builder_.limits());
  work_.push_back({rule, {&schema, &schema, ""}});
  run();
}

void SchemaCompiler::compile_any(RuleId rule) {
  const NodeId end = builder_.node();
  builder_.accept(end);
  any_value(builder_.start(rule), end);
  run();
}

// Schemas that refer to each other are rules that call each other: none is expanded inside another.
void SchemaCompiler::run() {
  while (!work_.empty()) {
    const Job job = std::move(work_.back());
    work_.pop_back();
    const NodeId end = builder_.node();
    builder_.accept(end);
    expand(job.place, builder_.start(job.rule), end);
  }
}

RuleId SchemaCompiler::rule_for(const Place& place) {
  if (*place.schema == Json(true) || (place.schema->is_object() && place.schema->empty()))
    return any_rule();
  const auto [found, added] = rules_.try_emplace({place.schema, place.root}, 0);
  if (added) {
    found->second = builder_.add_rule();
    work_.push_back({found->second, place});
  }
  return found->second;
}

RuleId SchemaCompiler::any_rule() {
  if (has_any_) return any_;
  has_any_ = true;
  any_ = builder_.add_rule();
  const NodeId end = builder_.node();
  builder_.accept(end);
  any_value(builder_.start(any_), end);
  return any_;
}

SchemaCompiler::Place SchemaCompiler::part(const Place& place, const char* key) const {
  return {find(*place.schema, key), place.root, pointer_step(place.pointer, key)};
}
SchemaCompiler::Place SchemaCompiler::made(const Place& place, Json schema) {
  made_.push_back(std::move(schema));
  return {&made_.back(), place.root, place.pointer};
}

void SchemaCompiler::any_value(NodeId from, NodeId to) {
  const Place any{nullptr, nullptr, ""};
  for (const char* word : {"null", "true", "false"})
    builder_.empty(builder_.literal(from, word), to);
  builder_.empty(any_string(builder_, from), to);
  builder_.empty(any_number(builder_, from), to);
  const Place array = made(any, {{"type", "array"}}), object = made(any, {{"type", "object"}});
  builder_.call(from, rule_for(array), to);
  builder_.call(from, rule_for(object), to);
}

void SchemaCompiler::refuse_unsupported(const Place& place) const {
  static constexpr const char* kUnsupported[] = {"not",
                                                 "if",
                                                 "then",
                                                 "else",
                                                 "contains",
                                                 "minContains",
                                                 "maxContains",
                                                 "multipleOf",
                                                 "patternProperties",
                                                 "propertyNames",
                                                 "dependencies",
                                                 "dependentRequired",
                                                 "$dynamicRef",
                                                 "$recursiveRef",
                                                 "dependentSchemas",
                                                 "unevaluatedItems",
                                                 "unevaluatedProperties"};
  for (const char* key : kUnsupported)
    if (find(*place.schema, key)) unsupported(place, fmt::format("the keyword '{}'", key));
  const Json* unique = find(*place.schema, "uniqueItems");
  if (unique && *unique == Json(true) && count(place, "maxItems", SIZE_MAX) > 1)
    unsupported(place, "the keyword 'uniqueItems' (drop it, or allow one item)");
}

std::size_t SchemaCompiler::count(const Place& place, const char* key, std::size_t fallback) const {
  const Json* found = find(*place.schema, key);
  if (!found) return fallback;
  const double value = found->is_number() ? found->get<double>() : -1;
  if (!(value >= 0) || std::floor(value) != value)
    bad(place, fmt::format("{} must be a count", key));
  return value > 1e15 ? static_cast<std::size_t>(1e15) : static_cast<std::size_t>(value);
}

void SchemaCompiler::expand(const Place& place, NodeId from, NodeId to) {
  const Json& schema = *place.schema;
  if (schema.is_boolean()) {
    if (schema.get<bool>()) builder_.call(from, any_rule(), to);
    return;
  }
  if (!schema.is_object())
    bad(place, fmt::format("expected an object or a boolean, found {}", schema.type_name()));
  refuse_unsupported(place);
  if (const Json* nullable = find(schema, "nullable"); nullable && *nullable == Json(true))
    builder_.empty(builder_.literal(from, "null"), to);
  if (schema.contains("$ref") || schema.contains("allOf")) return expand_reference(place, from, to);
  if (schema.contains("anyOf")) return expand_alternatives(place, "anyOf", from, to);
  if (schema.contains("oneOf")) return expand_alternatives(place, "oneOf", from, to);
  if (const Json* fixed = find(schema, "const"))
    return expand_values(place, "const", Json::array({*fixed}), from, to);
  if (const Json* allowed = find(schema, "enum"))
    return expand_values(place, "enum", *allowed, from, to);
  for (const std::string& type : types_of(place)) expand_type(place, type, from, to);
}

// $ref and allOf. A reference alone is a call; with company, all is merged into one schema.
void SchemaCompiler::expand_reference(const Place& place, NodeId from, NodeId to) {
  spend();
  const Json& schema = *place.schema;
  const auto resolve = [&](const Json& ref) {
    if (!ref.is_string()) bad(place, "$ref must be a string");
    const Json* target = resolve_local_ref(*place.root, ref.get_ref<const std::string&>());
    if (!target) bad(place, fmt::format("$ref '{}' names nothing", ref.get<std::string>()));
    return target;
  };
  const Json* ref = find(schema, "$ref");
  if (ref && !says_more_than(schema, "$ref"))
    return builder_.call(
        from, rule_for({resolve(*ref), place.root, ref->get_ref<const std::string&>().substr(1)}),
        to);
  Json merged = schema;
  merged.erase("$ref");
  merged.erase("allOf");
  if (ref) merged = merge_schemas(merged, *resolve(*ref), place.pointer);
  if (const Json* all = find(schema, "allOf")) {
    if (!all->is_array()) bad(place, "allOf must be a list");
    for (const Json& one : *all) {
      spend();
      merged = merge_schemas(merged, one, place.pointer);
    }
  }
  if (++merging_ > builder_.limits().depth)
    bad(place, "$ref and allOf nest too deeply or never end");
  if (to_text(merged).size() > builder_.limits().source_bytes) bad(place, "allOf grows too large");
  expand(made(place, std::move(merged)), from, to);
  --merging_;
}

void SchemaCompiler::expand_alternatives(const Place& place, const char* key, NodeId from,
                                         NodeId to) {
  const Place list = part(place, key);
  if (!list.schema->is_array() || list.schema->empty())
    bad(place, fmt::format("{} must be a list", key));
  const bool alone = !says_more_than(*place.schema, key);
  Json rest = *place.schema;
  rest.erase(key);
  for (std::size_t i = 0; i < list.schema->size(); ++i) {
    Place one{&(*list.schema)[i], place.root, pointer_step(list.pointer, std::to_string(i))};
    if (!alone) {
      spend();
      Json both = {{"allOf", Json::array({rest, *one.schema})}};
      const std::string pointer = one.pointer;
      one = made(place, std::move(both));
      one.pointer = pointer;
    }
    builder_.call(from, rule_for(one), to);
  }
}

// enum and const: those values that the other keywords allow.
void SchemaCompiler::expand_values(const Place& place, const char* key, const Json& values,
                                   NodeId from, NodeId to) {
  if (!values.is_array()) bad(place, "enum must be a list");
  if (values.size() > builder_.limits().choices)
    bad(place, fmt::format("enum has more than {} values", builder_.limits().choices));
  const bool more = says_more_than(*place.schema, key);
  Json rest = *place.schema;
  rest.erase(key);
  std::vector<std::string> texts;
  for (const Json& value : values) {
    builder_.tick();
    if (!more || !validate_json(rest, value, *place.root)) texts.push_back(to_text(value));
  }
  builder_.choices(from, std::move(texts), to);
}

std::vector<std::string> SchemaCompiler::types_of(const Place& place) const {
  const Json& schema = *place.schema;
  if (const Json* type = find(schema, "type")) {
    const Json list = type->is_array() ? *type : Json::array({*type});
    std::vector<std::string> types;
    for (const Json& one : list) {
      if (!one.is_string()) bad(place, "type must be a name or a list of names");
      if (std::find(types.begin(), types.end(), one) == types.end()) types.push_back(one);
    }
    if (std::find(types.begin(), types.end(), "number") != types.end())
      types.erase(std::remove(types.begin(), types.end(), "integer"), types.end());
    return types;
  }
  struct Hint {
    const char *key, *type;
  };
  static constexpr Hint kHints[] = {{"properties", "object"},
                                    {"required", "object"},
                                    {"additionalProperties", "object"},
                                    {"minProperties", "object"},
                                    {"maxProperties", "object"},
                                    {"items", "array"},
                                    {"prefixItems", "array"},
                                    {"minItems", "array"},
                                    {"maxItems", "array"},
                                    {"pattern", "string"},
                                    {"minLength", "string"},
                                    {"maxLength", "string"},
                                    {"format", "string"},
                                    {"minimum", "number"},
                                    {"maximum", "number"},
                                    {"exclusiveMinimum", "number"},
                                    {"exclusiveMaximum", "number"}};
  std::vector<std::string> types;
  for (const Hint& hint : kHints)
    if (schema.contains(hint.key) && (types.empty() || types.back() != hint.type))
      types.push_back(hint.type);
  if (types.empty()) types = {"null", "boolean", "number", "string", "array", "object"};
  return types;
}

void SchemaCompiler::expand_type(const Place& place, const std::string& type, NodeId from,
                                 NodeId to) {
  if (type == "null") {
    builder_.empty(builder_.literal(from, "null"), to);
  } else if (type == "boolean") {
    builder_.empty(builder_.literal(from, "true"), to);
    builder_.empty(builder_.literal(from, "false"), to);
  } else if (type == "integer" || type == "number") {
    expand_number(place, type == "integer", from, to);
  } else if (type == "string") {
    expand_string(place, from, to);
  } else if (type == "array") {
    expand_array(place, from, to);
  } else if (type == "object") {
    expand_object(place, from, to);
  } else {
    bad(place, fmt::format("unknown type '{}'", type));
  }
}

void SchemaCompiler::expand_number(const Place& place, bool integer, NodeId from, NodeId to) {
  // Beyond 1e200 no number that is written here reaches.
  const auto bound = [&](const char* key, bool exclusive, int sign) -> std::optional<Bound> {
    const Json* found = find(*place.schema, key);
    if (!found) return std::nullopt;
    if (!found->is_number()) bad(place, fmt::format("{} must be a number", key));
    if (found->get<double>() * sign > 1e200) return std::nullopt;
    return Bound::of(*found, exclusive);
  };
  const auto tighter = [&](const char* key, const char* exclusive_key, int sign) {
    const auto plain = bound(key, false, sign), exclusive = bound(exclusive_key, true, sign);
    if (!plain || !exclusive) return plain ? plain : exclusive;
    const double difference =
        (*place.schema)[key].get<double>() - (*place.schema)[exclusive_key].get<double>();
    return difference * sign < 0 ? plain : exclusive;
  };
  const auto low = tighter("minimum", "exclusiveMinimum", -1);
  const auto high = tighter("maximum", "exclusiveMaximum", 1);
  builder_.empty(number_between(builder_, from, low, high, integer), to);
}

void SchemaCompiler::expand_string(const Place& place, NodeId from, NodeId to) {
  const std::size_t least = count(place, "minLength", 0),
                    most = count(place, "maxLength", SIZE_MAX);
  const Json* pattern = find(*place.schema, "pattern");
  const Json* format = find(*place.schema, "format");
  std::string source;
  if (pattern) {
    if (!pattern->is_string()) bad(place, "pattern must be a string");
    source = pattern->get<std::string>();
  }
  if (format && format->is_string()) {
    const std::string_view known = format_pattern(format->get_ref<const std::string&>());
    if (!known.empty() && pattern) unsupported(place, "a pattern beside a format");
    if (!known.empty()) source = known;
  }
  if (source.empty()) {
    builder_.empty(string_of_length(builder_, from, least, most), to);
    return;
  }
  const std::string origin = "schema at '" + place.pointer + "'";
  builder_.empty(string_of_pattern(builder_, from, compile_pattern(source, origin), least, most),
                 to);
}

void SchemaCompiler::expand_array(const Place& place, NodeId from, NodeId to) {
  const std::size_t least = count(place, "minItems", 0), most = count(place, "maxItems", SIZE_MAX);
  Place prefix = part(place, "prefixItems"), items = part(place, "items");
  if (!prefix.schema && items.schema && items.schema->is_array()) {  // before draft 2020-12
    prefix = items;
    items = part(place, "additionalItems");
  }
  if (prefix.schema && !prefix.schema->is_array()) bad(place, "prefixItems must be a list");
  const std::size_t fixed = prefix.schema ? prefix.schema->size() : 0;
  // More items than those of the prefix only where the schema says which.
  const bool open = items.schema ? *items.schema != Json(false) : fixed == 0;
  std::size_t limit = open ? most : std::min(most, fixed);
  if (least > limit) return;  // nothing can satisfy it
  if (limit != SIZE_MAX) limit = std::min(limit, std::max({least, fixed, kMostItems}));
  const auto item = [&](std::size_t k) {
    if (k < fixed)
      return rule_for(
          {&(*prefix.schema)[k], place.root, pointer_step(prefix.pointer, std::to_string(k))});
    return items.schema ? rule_for(items) : any_rule();
  };
  const std::size_t repeats = std::max(least, fixed);  // from here on all positions are alike
  NodeId at = builder_.blanks(builder_.literal(from, "["));
  for (std::size_t k = 0;; ++k) {
    if (k >= least) builder_.byte(at, ']', ']', to);
    if (k == limit) return;
    const bool loops = k > repeats && limit == SIZE_MAX;
    const NodeId start = k == 0 ? at : builder_.blanks(builder_.literal(at, ","));
    const NodeId behind = builder_.blanks(builder_.call(start, item(k)));
    if (loops) {
      builder_.empty(behind, at);
      return;
    }
    at = behind;
  }
}

}  // namespace limbeck
