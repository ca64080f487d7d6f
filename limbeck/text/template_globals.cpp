// The functions every chat template can call, and the methods of dictionaries, lists and loops.
#include <algorithm>
#include <ctime>

#include "limbeck/text/template_filters.h"
#include "limbeck/text/template_methods.h"
#include "limbeck/text/template_operators.h"

namespace limbeck::jinja {
namespace {

using E = Evaluator;
using V = Value;

V range(E& e, const V&, Call& call) {
  const auto a = call.bind(e.heap(), {"start", "stop", "step"});
  std::int64_t from = 0, to = integer(e.heap(), a[0], 0);
  if (!a[0]) e.heap().error("range() needs a number");
  if (a[1]) from = std::exchange(to, integer(e.heap(), a[1], 0));
  const std::int64_t step = integer(e.heap(), a[2], 1);
  if (step == 0) e.heap().error("range(): the step must not be zero");
  std::vector<Value> items;
  for (std::int64_t i = from; step > 0 ? i < to : i > to;) {
    if (items.size() >= e.budget().limits().range)
      e.budget().too_much("a range", e.budget().limits().range, "numbers");
    e.heap().push(items, V::of(i));
    e.budget().step();
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return e.heap().list(std::move(items), Flavor::range);
}

V dict_with(E& e, const Call& call, bool as_namespace) {
  auto* dict = e.heap().make<Dict>();
  if (call.positional.size() > 1) e.heap().error("dict() takes at most one positional argument");
  for (const Value& source : call.positional) {
    if (source.kind == Kind::dict) {
      for (const auto& [key, value] : source.dict()->items) e.heap().set(*dict, key, value);
      continue;
    }
    for (const Value& pair : iterate(e.heap(), source)) {
      const std::vector<Value> parts = iterate(e.heap(), pair);
      if (parts.size() != 2) e.heap().error("dict() needs pairs");
      e.heap().set(*dict, parts[0], parts[1]);
    }
  }
  for (const auto& [name, value] : call.named) e.heap().set(*dict, e.heap().string(name), value);
  if (as_namespace)
    for (const auto& item : dict->items)
      if (item.first.is_string() && item.first.text->bytes.starts_with("_"))
        e.heap().error("a namespace has no attribute that starts with '_'");
  return V::of(as_namespace ? Kind::space : Kind::dict, dict);
}
V make_dict(E& e, const V&, Call& call) { return dict_with(e, call, false); }
V make_namespace(E& e, const V&, Call& call) { return dict_with(e, call, true); }

V raise_exception(E& e, const V&, Call& call) {
  const auto a = call.bind(e.heap(), {"message"});
  const TextPtr message = to_str(e.heap(), a[0] ? *a[0] : V());
  e.heap().error("the template refuses the messages: " + message->bytes);
}

V strftime_now(E& e, const V&, Call& call) {
  const auto a = call.bind(e.heap(), {"format"});
  if (!a[0] || !a[0]->is_string()) e.heap().error("strftime_now() needs a format");
  std::string format = a[0]->text->bytes;
  if (format.empty()) return *a[0];
  if (format.size() > 256) e.heap().error("strftime_now(): the format is too long");
  const auto seconds = static_cast<std::time_t>(e.now());
  std::tm local{};
  localtime_r(&seconds, &local);
  char buffer[4096];
  const std::size_t n = std::strftime(buffer, sizeof buffer, format.c_str(), &local);
  return e.heap().string({buffer, n}, a[0]->text->trusted());
}

V not_supported(E& e, const V&, Call& call) {
  fail(ErrorKind::unsupported, "{}:{}: the function '{}' is not supported in chat templates",
       e.budget().origin(), e.budget().line, call.function);
}

constexpr Filter kGlobals[] = {
    {"range", range},
    {"dict", make_dict},
    {"namespace", make_namespace},
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
    {"joiner", not_supported},
    {"cycler", not_supported},
    {"lipsum", not_supported},
};

V keys(E& e, const V& self, Call& call) {
  call.bind(e.heap(), {});
  return e.heap().list(iterate(e.heap(), self), Flavor::keys);
}
V values(E& e, const V& self, Call& call) {
  call.bind(e.heap(), {});
  std::vector<Value> items;
  e.budget().step(self.dict()->items.size());
  for (const auto& item : self.dict()->items) e.heap().push(items, item.second);
  return e.heap().list(std::move(items), Flavor::values);
}
V items(E& e, const V& self, Call& call) {
  call.bind(e.heap(), {});
  std::vector<Value> pairs;
  for (const auto& [key, value] : self.dict()->items)
    e.heap().push(pairs, e.heap().list({key, value}, Flavor::tuple));
  return e.heap().list(std::move(pairs), Flavor::items);
}
V get(E& e, const V& self, Call& call) {
  const auto a = call.bind(e.heap(), {"key", "default"});
  if (!a[0]) e.heap().error("get() needs a key");
  if (const Value* found = self.dict()->find(*a[0])) return *found;
  return a[1] ? *a[1] : V::none();
}
V copy_dict(E& e, const V& self, Call& call) {
  call.bind(e.heap(), {});
  Call inner{"dict", {self}, {}};
  return dict_with(e, inner, false);
}
constexpr Filter kDictMethods[] = {
    {"keys", keys}, {"values", values}, {"items", items}, {"get", get}, {"copy", copy_dict}};

V index(E& e, const V& self, Call& call) {
  const auto a = call.bind(e.heap(), {"value"});
  const auto& all = self.sequence()->items;
  for (std::size_t i = 0; a[0] && i < all.size(); ++i)
    if (equal(e.heap(), all[i], *a[0])) return V::of(i);
  e.heap().error("index(): the value is not in the list");
}
V count(E& e, const V& self, Call& call) {
  const auto a = call.bind(e.heap(), {"value"});
  std::int64_t n = 0;
  for (const Value& item : self.sequence()->items) n += a[0] && equal(e.heap(), item, *a[0]);
  return V::of(n);
}
V copy_list(E& e, const V& self, Call& call) {
  call.bind(e.heap(), {});
  return e.heap().list(iterate(e.heap(), self));
}
constexpr Filter kListMethods[] = {{"index", index}, {"count", count}, {"copy", copy_list}};

V cycle(E& e, const V& self, Call& call) {
  if (call.positional.empty()) e.heap().error("loop.cycle() needs items");
  return call.positional[self.loop()->index % call.positional.size()];
}
V changed(E& e, const V& self, Call& call) {
  Loop& loop = *self.loop();
  bool same = loop.changed_called && loop.changed.size() == call.positional.size();
  for (std::size_t i = 0; same && i < loop.changed.size(); ++i)
    same = equal(e.heap(), loop.changed[i], call.positional[i]);
  loop.changed = call.positional;
  loop.changed_called = true;
  return V::of(!same);
}
constexpr Filter kLoopMethods[] = {{"cycle", cycle}, {"changed", changed}};

Function find(std::span<const Filter> table, std::string_view name) {
  for (const Filter& row : table)
    if (row.name == name) return row.apply;
  return nullptr;
}

}  // namespace

Function find_global(std::string_view name) { return find(kGlobals, name); }

Function find_method(const Value& object, std::string_view name) {
  switch (object.kind) {
    case Kind::string:
      if (name == "format" || name == "format_map" || name == "encode") return not_supported;
      return find_string_method(name);
    case Kind::dict:
      return find(kDictMethods, name);
    case Kind::loop:
      return find(kLoopMethods, name);
    case Kind::sequence:
      if (object.sequence()->flavor > Flavor::tuple) return nullptr;
      if (name == "copy" && object.sequence()->flavor == Flavor::tuple) return nullptr;
      return find(kListMethods, name);
    default:
      return nullptr;
  }
}

bool modifies(const Value& object, std::string_view name) {
  constexpr std::string_view kList[] = {"append", "clear", "pop",    "reverse",
                                        "insert", "sort",  "extend", "remove"};
  constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  if (object.kind == Kind::dict)
    return std::find(std::begin(kDict), std::end(kDict), name) != std::end(kDict);
  return object.kind == Kind::sequence && object.sequence()->flavor == Flavor::list &&
         std::find(std::begin(kList), std::end(kList), name) != std::end(kList);
}

}  // namespace limbeck::jinja
