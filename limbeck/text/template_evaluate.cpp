// Expressions of chat templates.
#include <algorithm>

#include "limbeck/text/template_evaluator.h"
#include "limbeck/text/template_filters.h"
#include "limbeck/text/template_operators.h"
#include "limbeck/text/template_predicates.h"

namespace limbeck::jinja {

std::vector<const Value*> Call::bind(Heap& heap,
                                     std::initializer_list<std::string_view> names) const {
  std::vector<const Value*> bound(names.size(), nullptr);
  if (positional.size() > names.size())
    heap.error(fmt::format("{}() takes at most {} arguments, {} given", function, names.size(),
                           positional.size()));
  for (std::size_t i = 0; i < positional.size(); ++i) bound[i] = &positional[i];
  for (const auto& [name, value] : named) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) heap.error(fmt::format("{}() has no argument '{}'", function, name));
    const Value*& slot = bound[static_cast<std::size_t>(found - names.begin())];
    if (slot) heap.error(fmt::format("{}() got '{}' twice", function, name));
    slot = &value;
  }
  return bound;
}

Value Evaluator::evaluate(const Expr& expr) {
  budget().line = expr.line;
  budget().step();
  const Budget::Depth depth(budget());
  const auto operand = [&](std::size_t i) { return evaluate(*expr.operands[i]); };
  switch (expr.kind) {
    case ExprKind::constant:
      return expr.value;
    case ExprKind::name:
      return evaluate_name(expr);
    case ExprKind::list:
    case ExprKind::tuple:
      return evaluate_list(expr);
    case ExprKind::dict:
      return evaluate_dict(expr);
    case ExprKind::attribute:
      return attribute(operand(0), expr.value);
    case ExprKind::item: {
      const Value object = operand(0);
      return item(object, operand(1));
    }
    case ExprKind::slice:
      return evaluate_slice(expr);
    case ExprKind::call:
      return evaluate_call(expr, nullptr);
    case ExprKind::filter:
      return evaluate_filter(expr, nullptr);
    case ExprKind::test:
      return evaluate_test(expr);
    case ExprKind::negate:
      return negate(heap_, operand(0));
    case ExprKind::plus: {
      Value value = operand(0);
      if (!value.is_number()) heap_.error(fmt::format("a {} has no sign", type_name(value)));
      return value;
    }
    case ExprKind::logical_not:
      return Value::of(!truthy(operand(0)));
    case ExprKind::logical_and: {
      Value left = operand(0);
      return truthy(left) ? operand(1) : left;
    }
    case ExprKind::logical_or: {
      Value left = operand(0);
      return truthy(left) ? left : operand(1);
    }
    case ExprKind::binary: {
      const Value left = operand(0), right = operand(1);
      budget().line = expr.line;
      return binary(heap_, expr.operators[0], left, right);
    }
    case ExprKind::concat:
      return evaluate_concat(expr);
    case ExprKind::compare:
      return evaluate_compare(expr);
    case ExprKind::condition:
      return evaluate_condition(expr);
  }
  return {};
}

Value Evaluator::evaluate_name(const Expr& expr) {
  if (const Value* found = load(expr.id)) return *found;
  if (const Function function = find_global(expr.text)) {
    auto* callable = heap_.make<Callable>();
    callable->name = expr.text;
    callable->function = function;
    return Value::of(Kind::callable, callable);
  }
  return heap_.undefined("'" + expr.text + "' is undefined");
}

Value Evaluator::evaluate_list(const Expr& expr) {
  std::vector<Value> items;
  for (const ExprPtr& operand : expr.operands) heap_.push(items, evaluate(*operand));
  return heap_.list(std::move(items), expr.kind == ExprKind::tuple ? Flavor::tuple : Flavor::list);
}

Value Evaluator::evaluate_dict(const Expr& expr) {
  auto* dict = heap_.make<Dict>();
  for (std::size_t i = 0; i < expr.operands.size(); i += 2) {
    Value key = evaluate(*expr.operands[i]);
    heap_.set(*dict, std::move(key), evaluate(*expr.operands[i + 1]));
  }
  return Value::of(Kind::dict, dict);
}

Value Evaluator::evaluate_slice(const Expr& expr) {
  const Value object = evaluate(*expr.operands[0]);
  Value parts[3];
  const Value* given[3] = {};
  for (std::size_t i = 0; i < 3; ++i)
    if (expr.operands[i + 1]) {
      parts[i] = evaluate(*expr.operands[i + 1]);
      given[i] = &parts[i];
    }
  budget().line = expr.line;
  return slice(heap_, object, given[0], given[1], given[2]);
}

Call Evaluator::evaluate_arguments(const Expr& expr, std::string_view function) {
  Call call;
  call.function = function;
  for (const Argument& argument : expr.arguments) {
    Value value = evaluate(*argument.value);
    switch (argument.kind) {
      case Argument::Kind::positional:
        call.positional.push_back(std::move(value));
        break;
      case Argument::Kind::named:
        call.named.emplace_back(argument.name, std::move(value));
        break;
      case Argument::Kind::spread:
        for (Value& item : iterate(heap_, value)) heap_.push(call.positional, std::move(item));
        break;
      case Argument::Kind::spread_named:
        if (value.kind != Kind::dict) heap_.error("the argument after ** must be a mapping");
        for (const auto& [key, item] : value.dict()->items) {
          if (!key.is_string()) heap_.error("keywords must be strings");
          call.named.emplace_back(key.text->bytes, item);
        }
    }
  }
  return call;
}

Value Evaluator::evaluate_call(const Expr& expr, const Value* caller) {
  const Expr& callee = *expr.operands[0];
  Value target, self;
  Function function = nullptr;
  if (callee.kind == ExprKind::attribute) {
    self = evaluate(*callee.operands[0]);
    function = find_method(self, callee.text);
    if (!function) target = attribute(self, callee.value);
  } else {
    target = evaluate(callee);
  }
  const std::string_view name = callee.text.empty() ? std::string_view("call") : callee.text;
  Call arguments = evaluate_arguments(expr, name);
  if (caller) arguments.named.emplace_back("caller", *caller);
  budget().line = expr.line;
  return function ? function(*this, self, arguments) : call(target, arguments);
}

Value Evaluator::call(const Value& callee, Call& arguments) {
  require_defined(heap_, callee);
  if (callee.kind != Kind::callable)
    heap_.error(fmt::format("a {} cannot be called", type_name(callee)));
  const Callable& target = *callee.callable();
  if (target.macro) return call_macro(target, arguments);
  return target.function(*this, target.self, arguments);
}

Value Evaluator::evaluate_filter(const Expr& expr, const Value* input) {
  const Expr* operand = expr.operands[0].get();
  const Value value = !operand ? *input
                      : input && operand->kind == ExprKind::filter
                          ? evaluate_filter(*operand, input)
                          : evaluate(*operand);
  Call arguments = evaluate_arguments(expr, expr.text);
  budget().line = expr.line;
  return expr.filter->apply(*this, value, arguments);
}

Value Evaluator::evaluate_test(const Expr& expr) {
  const Value value = evaluate(*expr.operands[0]);
  Call arguments = evaluate_arguments(expr, expr.text);
  budget().line = expr.line;
  return Value::of(expr.predicate->holds(*this, value, arguments));
}

Value Evaluator::evaluate_concat(const Expr& expr) {
  TextBuilder out(budget());
  for (const ExprPtr& operand : expr.operands) {
    const Value value = evaluate(*operand);
    append_str(heap_, out, value);
  }
  return Value(out.take());
}

Value Evaluator::evaluate_compare(const Expr& expr) {
  Value left = evaluate(*expr.operands[0]);
  for (std::size_t i = 0; i < expr.operators.size(); ++i) {
    Value right = evaluate(*expr.operands[i + 1]);
    budget().line = expr.line;
    if (!holds(heap_, expr.operators[i], left, right)) return Value::of(false);
    left = std::move(right);
  }
  return Value::of(true);
}

Value Evaluator::evaluate_condition(const Expr& expr) {
  if (truthy(evaluate(*expr.operands[0]))) return evaluate(*expr.operands[1]);
  if (expr.operands[2]) return evaluate(*expr.operands[2]);
  return heap_.undefined("the inline if-expression evaluated to false and has no else");
}

Value Evaluator::method(const Value& object, const std::string& name) {
  const Function function = find_method(object, name);
  if (!function) return {};
  auto* callable = heap_.make<Callable>();
  callable->name = type_name(object);
  callable->function = function;
  callable->self = object;
  return Value::of(Kind::callable, callable);
}

Value Evaluator::attribute(const Value& object, const Value& name) {
  require_defined(heap_, object);
  const std::string& text = name.text->bytes;
  if (object.kind == Kind::loop) return loop_attribute(object, text);
  if (object.kind != Kind::space) {
    Value found = method(object, text);
    if (!found.is_undefined()) return found;
    if (modifies(object, text))
      return heap_.undefined(fmt::format("{}.{}() is refused: templates may not change values",
                                         type_name(object), text));
  }
  return dict_attribute(object, name);
}

Value Evaluator::dict_attribute(const Value& object, const Value& name) {
  if (object.kind == Kind::dict || object.kind == Kind::space) {
    budget().step(object.dict()->index.empty() ? object.dict()->items.size() / 8 : 1);
    if (const Value* found = object.dict()->find(name)) return *found;
  }
  return heap_.undefined(
      fmt::format("'{} object' has no attribute '{}'", type_name(object), name.text->bytes));
}

Value Evaluator::item(const Value& object, const Value& key) {
  require_defined(heap_, object);
  if (object.kind == Kind::dict) {
    if (key.kind != Kind::sequence || key.sequence()->flavor == Flavor::tuple)
      if (const Value* found = object.dict()->find(key)) return *found;
  } else if (key.is_integral() &&
             (object.is_string() ||
              (object.kind == Kind::sequence && (object.sequence()->flavor <= Flavor::tuple ||
                                                 object.sequence()->flavor == Flavor::range)))) {
    const std::int64_t n = length(heap_, object);
    const std::int64_t at = key.as_integer() < 0 ? key.as_integer() + n : key.as_integer();
    if (at >= 0 && at < n)
      return object.is_string() ? Value(slice_points(budget(), object.text, at, at + 1, 1))
                                : object.sequence()->items[static_cast<std::size_t>(at)];
  }
  if (key.is_string()) {
    if (object.kind == Kind::loop) return loop_attribute(object, key.text->bytes);
    if (object.kind == Kind::space) return dict_attribute(object, key);
    Value found = method(object, key.text->bytes);
    if (!found.is_undefined()) return found;
    return heap_.undefined(
        fmt::format("'{} object' has no attribute '{}'", type_name(object), key.text->bytes));
  }
  TextBuilder why(budget());
  why.append(fmt::format("{} object has no element ", type_name(object)), true);
  if (key.is_number()) append_repr(heap_, why, key);
  return heap_.undefined(why.bytes());
}

Value Evaluator::path(const Value& object, const Value& name) {
  if (!name.is_string()) return item(object, name);
  Value value = object;
  std::string_view rest = name.text->bytes;
  while (true) {
    const std::size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    const bool digits = !part.empty() && part.size() < 10 &&
                        part.find_first_not_of("0123456789") == std::string_view::npos;
    value = item(value, digits ? Value::of(static_cast<std::int64_t>(std::stol(std::string(part))))
                               : heap_.string(part));
    if (dot == std::string_view::npos) return value;
    rest.remove_prefix(dot + 1);
  }
}

Value Evaluator::call_macro(const Callable& callable, Call& call) {
  const MacroDefinition& macro = *callable.macro;
  if (calls_ >= budget().limits().call_depth)
    budget().too_much("nested calls", budget().limits().call_depth, "calls");
  auto* scope = heap_.make<Scope>(callable.scope);
  std::vector<bool> given(macro.parameters.size(), false);
  std::vector<Value> extra;
  auto* named = heap_.make<Dict>();
  Value caller = heap_.undefined("no caller defined");
  const auto bind = [&](std::size_t i, Value value) {
    if (given[i])
      heap_.error(fmt::format("macro '{}' got '{}' twice", macro.name, macro.parameters[i].name));
    given[i] = true;
    scope->variables.emplace_back(macro.parameters[i].id, std::move(value));
  };
  for (std::size_t i = 0; i < call.positional.size(); ++i) {
    if (i < macro.parameters.size()) {
      bind(i, call.positional[i]);
    } else if (macro.uses_varargs) {
      extra.push_back(call.positional[i]);
    } else {
      heap_.error(fmt::format("macro '{}' takes not more than {} arguments", macro.name,
                              macro.parameters.size()));
    }
  }
  for (auto& [name, value] : call.named) {
    const auto parameter =
        std::find_if(macro.parameters.begin(), macro.parameters.end(),
                     [&, &key = name](const Parameter& p) { return p.name == key; });
    if (parameter != macro.parameters.end()) {
      bind(static_cast<std::size_t>(parameter - macro.parameters.begin()), value);
    } else if (name == "caller" && macro.uses_caller) {
      caller = value;
    } else if (macro.uses_kwargs) {
      heap_.set(*named, heap_.string(name), value);
    } else {
      heap_.error(fmt::format("macro '{}' takes no keyword argument '{}'", macro.name, name));
    }
  }
  if (macro.uses_varargs)
    scope->variables.emplace_back(kVarargs, heap_.list(std::move(extra), Flavor::tuple));
  if (macro.uses_kwargs) scope->variables.emplace_back(kKwargs, Value::of(Kind::dict, named));
  if (macro.uses_caller) scope->variables.emplace_back(kCaller, caller);

  Scope* const outer = scope_;
  scope_ = scope;
  ++calls_;
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    if (given[i]) continue;
    const Parameter& parameter = macro.parameters[i];
    Value value =
        parameter.fallback
            ? evaluate(*parameter.fallback)
            : heap_.undefined(fmt::format("parameter '{}' was not provided", parameter.name));
    scope->variables.emplace_back(parameter.id, std::move(value));
  }
  TextBuilder out(budget());
  execute(macro.body, out);
  --calls_;
  scope_ = outer;
  return Value(out.take());
}

}  // namespace limbeck::jinja
