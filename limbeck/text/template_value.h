// Values of the template interpreter, after Python's: what str(), repr(), len() and == say.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "limbeck/text/template_text.h"

namespace limbeck::jinja {

enum class Kind : std::uint8_t {
  undefined,
  none,
  boolean,
  integer,
  real,
  string,
  sequence,
  dict,
  space,  // namespace(...)
  callable,
  loop,
};

struct Object;
struct Sequence;
struct Dict;
struct Callable;
struct Loop;

struct Value {
  Kind kind = Kind::undefined;
  bool trusted = true;  // of numbers and the like; strings know it byte by byte
  union {
    bool boolean;
    std::int64_t integer = 0;
    double real;
    Object* object;
  };
  TextPtr text;  // a string; of an undefined value: why it is undefined (or null)

  Value() = default;
  explicit Value(TextPtr string) : kind(Kind::string), text(std::move(string)) {}
  static Value none() { return of(Kind::none); }
  static Value of(bool v) {
    Value value = of(Kind::boolean);
    value.boolean = v;
    return value;
  }
  static Value of(std::int64_t v) {
    Value value = of(Kind::integer);
    value.integer = v;
    return value;
  }
  static Value of(std::size_t v) { return of(static_cast<std::int64_t>(v)); }
  static Value of(double v) {
    Value value = of(Kind::real);
    value.real = v;
    return value;
  }
  static Value of(Kind kind, Object* object = nullptr) {
    Value value;
    value.kind = kind;
    value.object = object;
    return value;
  }
  Value with_trust(bool trust) && {
    trusted = trust;
    return std::move(*this);
  }

  bool is_undefined() const noexcept { return kind == Kind::undefined; }
  bool is_none() const noexcept { return kind == Kind::none; }
  bool is_string() const noexcept { return kind == Kind::string; }
  bool is_number() const noexcept { return kind >= Kind::boolean && kind <= Kind::real; }
  bool is_integral() const noexcept { return kind == Kind::boolean || kind == Kind::integer; }
  std::int64_t as_integer() const noexcept { return kind == Kind::boolean ? boolean : integer; }
  double as_real() const noexcept {
    return kind == Kind::real ? real : static_cast<double>(as_integer());
  }
  Sequence* sequence() const;
  Dict* dict() const;  // of a dict or a namespace
  Callable* callable() const;
  Loop* loop() const;
};

struct Object {
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;
};

// The Python type that a sequence of values stands for.
enum class Flavor : std::uint8_t { list, tuple, generator, keys, values, items, range };

struct Sequence : Object {
  std::vector<Value> items;
  Flavor flavor = Flavor::list;
  bool spent = false;  // a generator gives its items once
};

struct Dict : Object {
  std::vector<std::pair<Value, Value>> items;
  std::unordered_map<std::string, std::size_t> index;  // built when it pays

  // nullptr if absent. `find(Value)` throws Error{format} for an unhashable key.
  const Value* find(std::string_view key) const;
  const Value* find(const Value& key) const;

 private:
  const Value* find_text(const std::string& text) const;
};

// Owns every container of one rendering until its end: nothing is destroyed recursively, and
// cycles are harmless.
class Heap {
 public:
  explicit Heap(Budget& budget) : budget_(budget) {}
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  Budget& budget() const noexcept { return budget_; }
  template <typename T, typename... Args>
  T* make(Args&&... args) {
    budget_.step();
    budget_.charge(sizeof(T) + 32);
    auto object = std::make_unique<T>(std::forward<Args>(args)...);
    T* raw = object.get();
    objects_.push_back(std::move(object));
    return raw;
  }
  Value list(std::vector<Value> items, Flavor flavor = Flavor::list);
  Value string(std::string_view bytes, bool trusted = true) {
    return Value(make_text(budget_, bytes, trusted));
  }
  Value undefined(std::string_view why) {
    Value value;
    value.text = make_text(budget_, why, true);
    return value;
  }
  void set(Dict& dict, Value key, Value value);             // adds or replaces
  void push(std::vector<Value>& items, Value item);         // charges what the growth costs
  [[noreturn]] void error(std::string_view message) const;  // Error{format} with origin and line

 private:
  Budget& budget_;
  std::vector<std::unique_ptr<Object>> objects_;
};

std::string_view type_name(const Value& value);  // "list", "dict", ... for messages
bool truthy(const Value& value);
bool equal(Heap& heap, const Value& left, const Value& right);
// < 0, 0, > 0; throws Error{format} when Python would not order them.
int compare(Heap& heap, const Value& left, const Value& right);
bool contains(Heap& heap, const Value& container, const Value& item);
std::int64_t length(Heap& heap, const Value& value);  // throws where Python's len() does
// The items of anything iterable (characters, keys, ...); throws where Python's iter() does.
std::vector<Value> iterate(Heap& heap, const Value& value);
bool is_iterable(const Value& value);

// str(value) and repr(value).
void append_str(Heap& heap, TextBuilder& out, const Value& value);
void append_repr(Heap& heap, TextBuilder& out, const Value& value);
TextPtr to_str(Heap& heap, const Value& value);
std::string real_repr(double value);

struct JsonStyle {
  bool ascii = false, sort_keys = false;
  bool lines = false;  // newlines and `indent`
  std::string indent, item_separator = ", ", key_separator = ": ";
};
// json.dumps(value). Text that holds anything untrusted comes out untrusted as a whole.
TextPtr to_json(Heap& heap, const Value& value, const JsonStyle& style);

}  // namespace limbeck::jinja
