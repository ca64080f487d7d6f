#include "limbeck/text/template_value.h"

#include <algorithm>
#include <cmath>

#include "limbeck/base/utf8.h"

namespace limbeck::jinja {
namespace {

constexpr std::size_t kIndexFrom = 16;  // shorter dictionaries are searched from the front

// Equal keys, equal texts: 1, 1.0 and True are one key in Python. Empty: cannot be a key.
std::string key_text(const Value& key) {
  switch (key.kind) {
    case Kind::string:
      return "s" + key.text->bytes;
    case Kind::none:
      return "n";
    case Kind::undefined:
      return "u";
    case Kind::boolean:
    case Kind::integer:
      return "i" + std::to_string(key.as_integer());
    case Kind::real:
      if (key.real == std::floor(key.real) && std::fabs(key.real) < 9e15)
        return "i" + std::to_string(static_cast<std::int64_t>(key.real));
      return "f" + real_repr(key.real);
    case Kind::sequence: {
      if (key.sequence()->flavor != Flavor::tuple) return {};
      std::string text = "t";
      for (const Value& item : key.sequence()->items) {
        if (item.kind == Kind::sequence) return {};  // nested tuples as keys: nobody does
        const std::string part = key_text(item);
        if (part.empty()) return {};
        text += std::to_string(part.size()) + ":" + part;
      }
      return text;
    }
    default:
      return {};
  }
}

bool equal_sequences(Heap& heap, const Sequence& a, const Sequence& b) {
  if (&a == &b) return true;
  if (a.flavor != b.flavor || a.items.size() != b.items.size() || a.flavor == Flavor::generator)
    return false;
  for (std::size_t i = 0; i < a.items.size(); ++i)
    if (!equal(heap, a.items[i], b.items[i])) return false;
  return true;
}

bool equal_dicts(Heap& heap, const Dict& a, const Dict& b) {
  if (&a == &b) return true;
  if (a.items.size() != b.items.size()) return false;
  for (const auto& [key, value] : a.items) {
    const Value* other = b.find(key);
    if (!other || !equal(heap, value, *other)) return false;
  }
  return true;
}

}  // namespace

Sequence* Value::sequence() const { return static_cast<Sequence*>(object); }
Dict* Value::dict() const { return static_cast<Dict*>(object); }

const Value* Dict::find_text(const std::string& text) const {
  if (!index.empty()) {
    const auto found = index.find(text);
    return found == index.end() ? nullptr : &items[found->second].second;
  }
  for (const auto& [key, value] : items)
    if (key_text(key) == text) return &value;
  return nullptr;
}

const Value* Dict::find(std::string_view key) const {
  if (!index.empty()) return find_text("s" + std::string(key));
  for (const auto& [k, v] : items)
    if (k.is_string() && k.text->bytes == key) return &v;
  return nullptr;
}

const Value* Dict::find(const Value& key) const {
  if (key.is_string()) return find(std::string_view(key.text->bytes));
  const std::string text = key_text(key);
  if (text.empty()) fail(ErrorKind::format, "a {} cannot be a key", type_name(key));
  return find_text(text);
}

Value Heap::list(std::vector<Value> items, Flavor flavor) {
  auto* sequence = make<Sequence>();
  budget_.charge(items.capacity() * sizeof(Value));
  sequence->items = std::move(items);
  sequence->flavor = flavor;
  return Value::of(Kind::sequence, sequence);
}

void Heap::set(Dict& dict, Value key, Value value) {
  const std::string text = key_text(key);
  if (text.empty()) error(fmt::format("a {} cannot be a key", type_name(key)));
  budget_.step(1 + (dict.index.empty() ? dict.items.size() / 8 : 0));
  if (const Value* old = dict.find(key)) {
    *const_cast<Value*>(old) = std::move(value);
    return;
  }
  budget_.charge(2 * sizeof(Value) * 2);
  dict.items.emplace_back(std::move(key), std::move(value));
  if (dict.items.size() == kIndexFrom) {
    for (std::size_t i = 0; i < dict.items.size(); ++i)
      dict.index.emplace(key_text(dict.items[i].first), i);
  } else if (dict.items.size() > kIndexFrom) {
    budget_.charge(text.size() + 64);
    dict.index.emplace(text, dict.items.size() - 1);
  }
}

void Heap::push(std::vector<Value>& items, Value item) {
  if (items.size() == items.capacity()) {
    const std::size_t grown = std::max<std::size_t>(4, items.capacity() * 2);
    budget_.charge((grown - items.capacity()) * sizeof(Value));
    items.reserve(grown);
  }
  items.push_back(std::move(item));
}

void Heap::error(std::string_view message) const {
  fail(ErrorKind::format, "{}:{}: {}", budget_.origin(), budget_.line, message);
}

std::string_view type_name(const Value& value) {
  switch (value.kind) {
    case Kind::undefined:
      return "Undefined";
    case Kind::none:
      return "NoneType";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
      return "int";
    case Kind::real:
      return "float";
    case Kind::string:
      return "str";
    case Kind::dict:
      return "dict";
    case Kind::space:
      return "namespace";
    case Kind::callable:
      return "function";
    case Kind::loop:
      return "loop";
    case Kind::sequence:
      break;
  }
  constexpr std::string_view kNames[] = {"list",        "tuple",      "generator", "dict_keys",
                                         "dict_values", "dict_items", "range"};
  return kNames[static_cast<std::size_t>(value.sequence()->flavor)];
}

bool truthy(const Value& value) {
  switch (value.kind) {
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
      return value.boolean;
    case Kind::integer:
      return value.integer != 0;
    case Kind::real:
      return value.real != 0;
    case Kind::string:
      return !value.text->bytes.empty();
    case Kind::sequence:
      return value.sequence()->flavor == Flavor::generator || !value.sequence()->items.empty();
    case Kind::dict:
      return !value.dict()->items.empty();
    default:
      return true;
  }
}

bool equal(Heap& heap, const Value& a, const Value& b) {
  heap.budget().step();
  const Budget::Depth depth(heap.budget());
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return a.as_integer() == b.as_integer();
    return a.as_real() == b.as_real();
  }
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::undefined:
    case Kind::none:
      return true;
    case Kind::string:
      heap.budget().step(a.text->bytes.size() / 1024);
      return a.text->bytes == b.text->bytes;
    case Kind::sequence:
      return equal_sequences(heap, *a.sequence(), *b.sequence());
    case Kind::dict:
      return equal_dicts(heap, *a.dict(), *b.dict());
    default:
      return a.object == b.object;
  }
}

int compare(Heap& heap, const Value& a, const Value& b) {
  heap.budget().step();
  const Budget::Depth depth(heap.budget());
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral())
      return a.as_integer() < b.as_integer() ? -1 : a.as_integer() > b.as_integer();
    return a.as_real() < b.as_real() ? -1 : a.as_real() > b.as_real();
  }
  if (a.is_string() && b.is_string()) {
    heap.budget().step(std::min(a.text->bytes.size(), b.text->bytes.size()) / 1024);
    return a.text->bytes.compare(b.text->bytes);  // UTF-8 sorts as its code points do
  }
  if (a.kind == Kind::sequence && b.kind == Kind::sequence &&
      a.sequence()->flavor == b.sequence()->flavor && a.sequence()->flavor <= Flavor::tuple) {
    const auto &x = a.sequence()->items, &y = b.sequence()->items;
    for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i)
      if (!equal(heap, x[i], y[i])) return compare(heap, x[i], y[i]);
    return x.size() < y.size() ? -1 : x.size() > y.size();
  }
  if (a.is_undefined() || b.is_undefined())
    heap.error((a.is_undefined() ? a : b).text ? (a.is_undefined() ? a : b).text->bytes
                                               : "an undefined value cannot be ordered");
  heap.error(fmt::format("'{}' and '{}' cannot be ordered", type_name(a), type_name(b)));
}

bool contains(Heap& heap, const Value& container, const Value& item) {
  switch (container.kind) {
    case Kind::undefined:
      return false;
    case Kind::string:
      if (!item.is_string())
        heap.error(
            fmt::format("'in <string>' requires a string on its left, not {}", type_name(item)));
      heap.budget().step(container.text->bytes.size() / 256);
      return container.text->bytes.find(item.text->bytes) != std::string::npos;
    case Kind::dict:
      return container.dict()->find(item) != nullptr;
    case Kind::sequence: {
      const auto& items = container.sequence()->items;
      return std::any_of(items.begin(), items.end(),
                         [&](const Value& x) { return equal(heap, x, item); });
    }
    default:
      heap.error(fmt::format("'{}' holds no items to look for", type_name(container)));
  }
}

std::int64_t length(Heap& heap, const Value& value) {
  switch (value.kind) {
    case Kind::undefined:
      return 0;
    case Kind::string:
      heap.budget().step(value.text->bytes.size() / 512);
      return static_cast<std::int64_t>(value.text->length());
    case Kind::dict:
      return static_cast<std::int64_t>(value.dict()->items.size());
    case Kind::sequence:
      if (value.sequence()->flavor != Flavor::generator)
        return static_cast<std::int64_t>(value.sequence()->items.size());
      [[fallthrough]];
    default:
      heap.error(fmt::format("a {} has no length", type_name(value)));
  }
}

bool is_iterable(const Value& value) {
  return value.is_undefined() || value.is_string() || value.kind == Kind::sequence ||
         value.kind == Kind::dict || value.kind == Kind::loop;
}

std::vector<Value> iterate(Heap& heap, const Value& value) {
  std::vector<Value> items;
  switch (value.kind) {
    case Kind::undefined:
      break;
    case Kind::string: {
      const std::string& bytes = value.text->bytes;
      heap.budget().charge(bytes.size() * sizeof(Value));
      for (std::size_t i = 0; i < bytes.size();) {
        const std::size_t n = code_point_at(bytes, i).bytes;
        items.push_back(Value(slice_bytes(heap.budget(), value.text, i, i + n)));
        i += n;
      }
      break;
    }
    case Kind::dict:
      heap.budget().step(value.dict()->items.size());
      for (const auto& item : value.dict()->items) heap.push(items, item.first);
      break;
    case Kind::sequence: {
      Sequence& sequence = *value.sequence();
      heap.budget().step(sequence.items.size());
      if (sequence.flavor == Flavor::generator) {
        if (!sequence.spent) items = std::move(sequence.items);
        sequence.items.clear();
        sequence.spent = true;
      } else {
        heap.budget().charge(sequence.items.size() * sizeof(Value));
        items = sequence.items;
      }
      break;
    }
    default:
      heap.error(fmt::format("a {} cannot be iterated", type_name(value)));
  }
  return items;
}

}  // namespace limbeck::jinja
