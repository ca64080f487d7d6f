// The filters on lists and dictionaries.
#include <algorithm>

#include "limbeck/text/template_case.h"
#include "limbeck/text/template_filters.h"
#include "limbeck/text/template_operators.h"

namespace limbeck::jinja {
namespace {

// What sort, unique, min and max compare: strings without regard to case, unless asked.
Value folded(Evaluator& e, const Value& value, bool case_sensitive) {
  if (!value.is_string() || case_sensitive) return value;
  return Value(change_case(e.budget(), *value.text, Case::lower));
}

Value key_of(Evaluator& e, const Value& item, const Value* attribute, bool case_sensitive) {
  const bool given = attribute && !attribute->is_none();
  return folded(e, given ? e.path(item, *attribute) : item, case_sensitive);
}

struct Keyed {
  std::vector<Value> keys;
  Value item;
};

void sort_keyed(Evaluator& e, std::vector<Keyed>& items, bool reverse) {
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& x, const Keyed& y) {
    const Keyed &a = reverse ? y : x, &b = reverse ? x : y;
    for (std::size_t i = 0; i < a.keys.size(); ++i)
      if (!equal(e.heap(), a.keys[i], b.keys[i]))
        return compare(e.heap(), a.keys[i], b.keys[i]) < 0;
    return false;
  });
}

Value finish(Evaluator& e, std::vector<Keyed> keyed) {
  std::vector<Value> items;
  for (Keyed& item : keyed) e.heap().push(items, std::move(item.item));
  return e.heap().list(std::move(items));
}

Value count(Evaluator& e, const Value& value, Call& call) {
  call.bind(e.heap(), {});
  return Value::of(length(e.heap(), value));
}

Value first(Evaluator& e, const Value& value, Call& call) {
  call.bind(e.heap(), {});
  if (value.is_string() && !value.text->bytes.empty())
    return Value(slice_points(e.budget(), value.text, 0, 1, 1));
  if (value.kind == Kind::sequence && !value.sequence()->items.empty())
    return value.sequence()->items.front();
  const std::vector<Value> items = iterate(e.heap(), value);
  return items.empty() ? e.heap().undefined("No first item, sequence was empty.") : items.front();
}

Value last(Evaluator& e, const Value& value, Call& call) {
  call.bind(e.heap(), {});
  if (value.kind == Kind::sequence && value.sequence()->flavor == Flavor::generator)
    e.heap().error("last of a generator: add | list");
  if (value.kind == Kind::sequence && !value.sequence()->items.empty())
    return value.sequence()->items.back();
  const std::vector<Value> items = iterate(e.heap(), value);
  return items.empty() ? e.heap().undefined("No last item, sequence was empty.") : items.back();
}

Value to_list(Evaluator& e, const Value& value, Call& call) {
  call.bind(e.heap(), {});
  return e.heap().list(iterate(e.heap(), value));
}

Value pairs(Evaluator& e, const Dict& dict, Flavor flavor) {
  std::vector<Value> items;
  e.budget().step(dict.items.size());
  for (const auto& [key, value] : dict.items)
    e.heap().push(items, e.heap().list({key, value}, Flavor::tuple));
  return e.heap().list(std::move(items), flavor);
}

Value items(Evaluator& e, const Value& value, Call& call) {
  call.bind(e.heap(), {});
  if (value.is_undefined()) return e.heap().list({}, Flavor::generator);
  if (value.kind != Kind::dict)
    e.heap().error(
        fmt::format("can only get the items of a mapping, not of a {}", type_name(value)));
  return pairs(e, *value.dict(), Flavor::generator);
}

Value dict_sort(Evaluator& e, const Value& value, Call& call) {
  const auto arguments = call.bind(e.heap(), {"case_sensitive", "by", "reverse"});
  const bool case_sensitive = flag(arguments[0], false);
  const std::string by =
      arguments[1] && arguments[1]->is_string() ? arguments[1]->text->bytes : "key";
  if (by != "key" && by != "value") e.heap().error("dictsort: by must be 'key' or 'value'");
  require_defined(e.heap(), value);
  if (value.kind != Kind::dict) e.heap().error(fmt::format("dictsort of a {}", type_name(value)));
  std::vector<Keyed> keyed;
  for (const auto& [key, item] : value.dict()->items)
    keyed.push_back({{folded(e, by == "key" ? key : item, case_sensitive)},
                     e.heap().list({key, item}, Flavor::tuple)});
  sort_keyed(e, keyed, flag(arguments[2], false));
  return finish(e, std::move(keyed));
}

Value join(Evaluator& e, const Value& value, Call& call) {
  const auto arguments = call.bind(e.heap(), {"d", "attribute"});
  const TextPtr separator = arguments[0] ? to_str(e.heap(), *arguments[0]) : literal("");
  const bool by_attribute = arguments[1] && !arguments[1]->is_none();
  TextBuilder out(e.budget());
  bool start = true;
  for (const Value& item : iterate(e.heap(), value)) {
    if (!start) out.append(*separator);
    start = false;
    append_str(e.heap(), out, by_attribute ? e.path(item, *arguments[1]) : item);
  }
  return Value(out.take());
}

Value reverse(Evaluator& e, const Value& value, Call& call) {
  call.bind(e.heap(), {});
  if (value.is_string())
    return Value(slice_points(e.budget(), value.text,
                              static_cast<std::int64_t>(value.text->length()) - 1, -1, -1));
  const bool generator =
      value.kind == Kind::sequence && value.sequence()->flavor == Flavor::generator;
  std::vector<Value> result = iterate(e.heap(), value);
  std::reverse(result.begin(), result.end());
  return e.heap().list(std::move(result), generator ? Flavor::list : Flavor::generator);
}

Value sort(Evaluator& e, const Value& value, Call& call) {
  const auto arguments = call.bind(e.heap(), {"reverse", "case_sensitive", "attribute"});
  const bool case_sensitive = flag(arguments[1], false);
  std::vector<Value> attributes;
  if (arguments[2] && arguments[2]->is_string()) {
    std::string_view rest = arguments[2]->text->bytes;
    for (std::size_t comma = 0; comma != std::string_view::npos;) {
      comma = rest.find(',');
      attributes.push_back(e.heap().string(rest.substr(0, comma)));
      if (comma != std::string_view::npos) rest.remove_prefix(comma + 1);
    }
  } else if (arguments[2] && !arguments[2]->is_none()) {
    attributes.push_back(*arguments[2]);
  }
  std::vector<Keyed> keyed;
  for (const Value& item : iterate(e.heap(), value)) {
    Keyed entry{{}, item};
    for (const Value& attribute : attributes)
      entry.keys.push_back(key_of(e, item, &attribute, case_sensitive));
    if (attributes.empty()) entry.keys.push_back(key_of(e, item, nullptr, case_sensitive));
    keyed.push_back(std::move(entry));
  }
  sort_keyed(e, keyed, flag(arguments[0], false));
  return finish(e, std::move(keyed));
}

Value unique(Evaluator& e, const Value& value, Call& call) {
  const auto arguments = call.bind(e.heap(), {"case_sensitive", "attribute"});
  auto* seen = e.heap().make<Dict>();
  std::vector<Value> result;
  for (const Value& item : iterate(e.heap(), value)) {
    const Value key = key_of(e, item, arguments[1], flag(arguments[0], false));
    e.budget().step(1 + (seen->index.empty() ? seen->items.size() / 8 : 0));
    if (seen->find(key)) continue;
    e.heap().set(*seen, key, Value::none());
    e.heap().push(result, item);
  }
  return e.heap().list(std::move(result), Flavor::generator);
}

Value extreme(Evaluator& e, const Value& value, const Call& call, int sign) {
  const auto arguments = call.bind(e.heap(), {"case_sensitive", "attribute"});
  const std::vector<Value> all = iterate(e.heap(), value);
  if (all.empty()) return e.heap().undefined("No aggregated item, sequence was empty.");
  std::size_t best = 0;
  Value best_key = key_of(e, all[0], arguments[1], flag(arguments[0], false));
  for (std::size_t i = 1; i < all.size(); ++i) {
    Value key = key_of(e, all[i], arguments[1], flag(arguments[0], false));
    if (compare(e.heap(), key, best_key) * sign <= 0) continue;
    best = i;
    best_key = std::move(key);
  }
  return all[best];
}
Value maximum(Evaluator& e, const Value& value, Call& call) { return extreme(e, value, call, 1); }
Value minimum(Evaluator& e, const Value& value, Call& call) { return extreme(e, value, call, -1); }

Value sum(Evaluator& e, const Value& value, Call& call) {
  const auto arguments = call.bind(e.heap(), {"attribute", "start"});
  Value total = arguments[1] ? *arguments[1] : Value::of(std::int64_t{0});
  const bool by_attribute = arguments[0] && !arguments[0]->is_none();
  for (const Value& item : iterate(e.heap(), value))
    total =
        binary(e.heap(), Operator::add, total, by_attribute ? e.path(item, *arguments[0]) : item);
  return total;
}

Value batch(Evaluator& e, const Value& value, Call& call) {
  const auto arguments = call.bind(e.heap(), {"linecount", "fill_with"});
  const std::int64_t size = integer(e.heap(), arguments[0], 0);
  if (size < 1 || size > 100'000) e.heap().error("batch: linecount out of range");
  std::vector<Value> rows, row;
  const auto flush = [&] {
    e.heap().push(rows, e.heap().list(std::move(row)));
    row = {};
  };
  for (Value& item : iterate(e.heap(), value)) {
    if (row.size() == static_cast<std::size_t>(size)) flush();
    e.heap().push(row, std::move(item));
  }
  if (!row.empty()) {
    if (arguments[1] && !arguments[1]->is_none())
      while (row.size() < static_cast<std::size_t>(size)) e.heap().push(row, *arguments[1]);
    flush();
  }
  return e.heap().list(std::move(rows), Flavor::generator);
}

constexpr Filter kFilters[] = {
    {"length", count}, {"count", count},     {"first", first}, {"last", last},
    {"list", to_list}, {"items", items},     {"join", join},   {"dictsort", dict_sort},
    {"sort", sort},    {"reverse", reverse}, {"sum", sum},     {"unique", unique},
    {"max", maximum},  {"min", minimum},     {"batch", batch},
};

}  // namespace

std::span<const Filter> sequence_filters() { return kFilters; }

}  // namespace limbeck::jinja
