// Walks the syntax tree of a chat template.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/text/template_ast.h"

namespace limbeck::jinja {

class Evaluator;

// The arguments of one call.
struct Call {
  std::string_view function;
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  // Each argument by the names of the parameters, null where not given. Throws Error{format} as
  // Python would on unknown, repeated or too many arguments.
  std::vector<const Value*> bind(Heap& heap, std::initializer_list<std::string_view> names) const;
};

using Function = Value (*)(Evaluator&, const Value& self, Call& call);

// Variables of a block; an inner one sees the outer ones.
struct Scope : Object {
  explicit Scope(Scope* outer) : parent(outer) {}
  Scope* parent;
  std::vector<std::pair<NameId, Value>> variables;
  bool captured = false;  // by a macro: must outlive its block

  Value* find_here(NameId id);
};

struct Callable : Object {
  std::string_view name;
  const MacroDefinition* macro = nullptr;
  Scope* scope = nullptr;       // of the macro's definition
  Function function = nullptr;  // otherwise
  Value self;
};

struct Loop : Object {
  std::vector<Value> items;
  std::size_t index = 0;
  std::vector<Value> changed;  // the last arguments of loop.changed()
  bool changed_called = false;
};

class Evaluator {
 public:
  // `now`: seconds since the epoch for strftime_now; 0 means the clock.
  Evaluator(const Template& source, Heap& heap, std::int64_t now);

  void run(const std::vector<std::pair<std::string, Value>>& context, TextBuilder& out);

  Heap& heap() noexcept { return heap_; }
  Budget& budget() noexcept { return heap_.budget(); }
  std::int64_t now() const noexcept { return now_; }

  Value attribute(const Value& object, const Value& name);  // object.name
  Value item(const Value& object, const Value& key);        // object[key]
  Value call(const Value& callee, Call& call);
  // object.a.0.b as the `attribute` parameter of filters means it.
  Value path(const Value& object, const Value& attribute);

 private:
  enum class Flow : std::uint8_t { normal, leave, next };

  // Expressions.
  Value evaluate(const Expr& expr);
  Value evaluate_name(const Expr& expr);
  Value evaluate_list(const Expr& expr);
  Value evaluate_dict(const Expr& expr);
  Value evaluate_slice(const Expr& expr);
  Value evaluate_call(const Expr& expr, const Value* caller);
  Value evaluate_filter(const Expr& expr, const Value* input);
  Value evaluate_test(const Expr& expr);
  Value evaluate_concat(const Expr& expr);
  Value evaluate_compare(const Expr& expr);
  Value evaluate_condition(const Expr& expr);
  Call evaluate_arguments(const Expr& expr, std::string_view function);
  Value call_macro(const Callable& macro, Call& call);
  Value dict_attribute(const Value& object, const Value& name);
  Value loop_attribute(const Value& object, const std::string& name);
  Value method(const Value& object, const std::string& name);

  // Statements.
  Flow execute(const Body& body, TextBuilder& out);
  Flow execute(const Stmt& stmt, TextBuilder& out);
  Flow execute_branch(const Stmt& stmt, TextBuilder& out);
  Flow execute_loop(const Stmt& stmt, TextBuilder& out);
  Flow execute_inner(const Body& body, TextBuilder& out);  // in a scope of its own
  void execute_set_block(const Stmt& stmt);
  void execute_call_block(const Stmt& stmt, TextBuilder& out);
  Flow execute_with(const Stmt& stmt, TextBuilder& out);
  void print(const Value& value, TextBuilder& out);
  Value macro_value(const MacroDefinition& macro);
  void assign(const Target& target, const Value& value);
  void assign_attribute(const Target& target, const Value& value);
  void store(NameId id, Value value);
  const Value* load(NameId id);

  class Inner;  // enters a scope, and leaves it when it goes

  const Template& source_;
  Heap& heap_;
  std::int64_t now_;
  Scope* scope_ = nullptr;
  const TextBuilder* output_ = nullptr;  // of the whole rendering, which has its own limit
  std::size_t calls_ = 0;
};

// The methods of strings, dictionaries and loops; null if there is none of that name.
Function find_method(const Value& object, std::string_view name);
bool modifies(const Value& object, std::string_view name);  // list.append and the like: refused
// range, dict, namespace, raise_exception, strftime_now, joiner, ...; null if there is none.
Function find_global(std::string_view name);

}  // namespace limbeck::jinja
