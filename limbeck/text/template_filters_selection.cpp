// The filters that apply other filters and tests: map, select, reject, selectattr, rejectattr.
#include "limbeck/text/template_filters.h"
#include "limbeck/text/template_predicates.h"

namespace limbeck::jinja {
namespace {

// The call of the filter or test whose name is positional argument `at`, with what follows it.
Call rest_of(const Call& call, std::size_t at) {
  Call inner;
  inner.function = call.positional[at].text->bytes;
  inner.positional.assign(call.positional.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                          call.positional.end());
  inner.named = call.named;
  return inner;
}

[[noreturn]] void unknown(Evaluator& e, std::string_view kind, std::string_view name) {
  fail(ErrorKind::unsupported, "{}:{}: the {} '{}' is not supported in chat templates",
       e.budget().origin(), e.budget().line, kind, name);
}

// As Jinja: what is false (none, too) has no items.
std::vector<Value> items_of(Evaluator& e, const Value& value) {
  return truthy(value) ? iterate(e.heap(), value) : std::vector<Value>();
}

Value map_attribute(Evaluator& e, const Value& value, const Call& call) {
  const auto arguments = call.bind(e.heap(), {"attribute", "default"});
  std::vector<Value> result;
  for (const Value& item : items_of(e, value)) {
    Value found = e.path(item, *arguments[0]);
    if (found.is_undefined() && arguments[1] && !arguments[1]->is_none()) found = *arguments[1];
    e.heap().push(result, std::move(found));
  }
  return e.heap().list(std::move(result), Flavor::generator);
}

Value map(Evaluator& e, const Value& value, Call& call) {
  if (call.positional.empty()) {
    for (const auto& [name, argument] : call.named)
      if (name == "attribute") return map_attribute(e, value, call);
    e.heap().error("map requires a filter's name or an attribute");
  }
  if (!call.positional[0].is_string()) e.heap().error("map requires a filter's name");
  const std::string name = call.positional[0].text->bytes;
  const Filter* filter = find_filter(name);
  if (!filter) unknown(e, "filter", name);
  std::vector<Value> result;
  for (const Value& item : items_of(e, value)) {
    Call inner = rest_of(call, 0);
    const Budget::Depth depth(e.budget());
    e.heap().push(result, filter->apply(e, item, inner));
  }
  return e.heap().list(std::move(result), Flavor::generator);
}

Value pick(Evaluator& e, const Value& value, const Call& call, bool by_attribute, bool wanted) {
  const std::size_t at = by_attribute ? 1 : 0;
  if (by_attribute && call.positional.empty())
    e.heap().error("missing parameter for attribute name");
  const Predicate* predicate = nullptr;
  Call inner;
  if (call.positional.size() > at) {
    if (!call.positional[at].is_string()) e.heap().error("expected the name of a test");
    predicate = find_predicate(call.positional[at].text->bytes);
    if (!predicate) unknown(e, "test", call.positional[at].text->bytes);
    inner = rest_of(call, at);
  }
  std::vector<Value> result;
  for (const Value& item : items_of(e, value)) {
    const Value subject = by_attribute ? e.path(item, call.positional[0]) : item;
    const bool holds = predicate ? predicate->holds(e, subject, inner) : truthy(subject);
    if (holds == wanted) e.heap().push(result, item);
  }
  return e.heap().list(std::move(result), Flavor::generator);
}

Value select(Evaluator& e, const Value& v, Call& call) { return pick(e, v, call, false, true); }
Value reject(Evaluator& e, const Value& v, Call& call) { return pick(e, v, call, false, false); }
Value select_attribute(Evaluator& e, const Value& v, Call& call) {
  return pick(e, v, call, true, true);
}
Value reject_attribute(Evaluator& e, const Value& v, Call& call) {
  return pick(e, v, call, true, false);
}

constexpr Filter kFilters[] = {{"map", map},
                               {"select", select},
                               {"reject", reject},
                               {"selectattr", select_attribute},
                               {"rejectattr", reject_attribute}};

}  // namespace

std::span<const Filter> selection_filters() { return kFilters; }

}  // namespace limbeck::jinja
