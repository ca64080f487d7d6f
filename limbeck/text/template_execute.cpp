// Statements of chat templates.
#include <ctime>

#include "limbeck/text/template_evaluator.h"
#include "limbeck/text/template_filters.h"

namespace limbeck::jinja {

Callable* Value::callable() const { return static_cast<Callable*>(object); }
Loop* Value::loop() const { return static_cast<Loop*>(object); }

Value* Scope::find_here(NameId id) {
  for (auto& [name, value] : variables)
    if (name == id) return &value;
  return nullptr;
}

class Evaluator::Inner {
 public:
  explicit Inner(Evaluator& evaluator) : evaluator_(evaluator), outer_(evaluator.scope_) {
    evaluator.scope_ = evaluator.heap_.make<Scope>(outer_);
  }
  ~Inner() { evaluator_.scope_ = outer_; }
  Inner(const Inner&) = delete;
  Inner& operator=(const Inner&) = delete;
  // An empty scope again, the same one unless a macro has kept it.
  void renew() {
    if (evaluator_.scope_->captured)
      evaluator_.scope_ = evaluator_.heap_.make<Scope>(outer_);
    else
      evaluator_.scope_->variables.clear();
  }

 private:
  Evaluator& evaluator_;
  Scope* outer_;
};

Evaluator::Evaluator(const Template& source, Heap& heap, std::int64_t now)
    : source_(source),
      heap_(heap),
      now_(now ? now : static_cast<std::int64_t>(std::time(nullptr))) {}

void Evaluator::run(const std::vector<std::pair<std::string, Value>>& context, TextBuilder& out) {
  scope_ = heap_.make<Scope>(nullptr);
  for (const auto& [name, value] : context)
    for (NameId id = 0; id < source_.names.size(); ++id)
      if (source_.names[id] == name) scope_->variables.emplace_back(id, value);
  output_ = &out;
  execute(source_.body, out);
}

const Value* Evaluator::load(NameId id) {
  for (Scope* scope = scope_; scope; scope = scope->parent) {
    budget().step(scope->variables.size() / 16);
    if (const Value* found = scope->find_here(id)) return found;
  }
  return nullptr;
}

void Evaluator::store(NameId id, Value value) {
  budget().step(scope_->variables.size() / 16);
  if (Value* found = scope_->find_here(id)) {
    *found = std::move(value);
    return;
  }
  scope_->variables.emplace_back(id, std::move(value));
}

void Evaluator::assign_attribute(const Target& target, const Value& value) {
  const Value* object = load(target.id);
  if (!object || object->kind != Kind::space)
    heap_.error("cannot assign attribute '" + target.attribute + "' on a non-namespace object");
  if (target.attribute[0] == '_')
    heap_.error("a namespace has no attribute that starts with '_': '" + target.attribute + "'");
  heap_.set(*object->dict(), heap_.string(target.attribute), value);
}

void Evaluator::assign(const Target& target, const Value& value) {
  if (!target.attribute.empty()) return assign_attribute(target, value);
  if (target.parts.empty()) return store(target.id, value);
  const std::vector<Value> items = iterate(heap_, value);
  if (items.size() != target.parts.size())
    heap_.error(
        fmt::format("cannot unpack {} values into {} names", items.size(), target.parts.size()));
  for (std::size_t i = 0; i < items.size(); ++i) assign(target.parts[i], items[i]);
}

void Evaluator::print(const Value& value, TextBuilder& out) {
  append_str(heap_, out, value);
  if (&out == output_ && out.size() > budget().limits().output_bytes)
    budget().too_much("the output", budget().limits().output_bytes, "bytes");
}

Evaluator::Flow Evaluator::execute(const Body& body, TextBuilder& out) {
  for (const auto& stmt : body)
    if (const Flow flow = execute(*stmt, out); flow != Flow::normal) return flow;
  return Flow::normal;
}

Evaluator::Flow Evaluator::execute_inner(const Body& body, TextBuilder& out) {
  const Inner inner(*this);
  return execute(body, out);
}

Evaluator::Flow Evaluator::execute(const Stmt& stmt, TextBuilder& out) {
  budget().line = stmt.line;
  budget().step();
  const Budget::Depth depth(budget());
  switch (stmt.kind) {
    case StmtKind::text:
      print(Value(stmt.text), out);
      break;
    case StmtKind::output:
      print(evaluate(*stmt.expressions[0]), out);
      break;
    case StmtKind::branch:
      return execute_branch(stmt, out);
    case StmtKind::loop:
      return execute_loop(stmt, out);
    case StmtKind::set: {
      const Value value = evaluate(*stmt.expressions[0]);
      assign(stmt.targets[0], value);
      break;
    }
    case StmtKind::set_block:
      execute_set_block(stmt);
      break;
    case StmtKind::macro:
      store(stmt.macro->id, macro_value(*stmt.macro));
      break;
    case StmtKind::call_block:
      execute_call_block(stmt, out);
      break;
    case StmtKind::filter_block: {
      TextBuilder inner(budget());
      execute_inner(stmt.bodies[0], inner);
      const Value text(inner.take());
      print(evaluate_filter(*stmt.expressions[0], &text), out);
      break;
    }
    case StmtKind::with:
      return execute_with(stmt, out);
    case StmtKind::body:
      return execute_inner(stmt.bodies[0], out);
    case StmtKind::leave:
      return Flow::leave;
    case StmtKind::next:
      return Flow::next;
  }
  return Flow::normal;
}

Evaluator::Flow Evaluator::execute_branch(const Stmt& stmt, TextBuilder& out) {
  for (std::size_t i = 0; i < stmt.expressions.size(); ++i)
    if (truthy(evaluate(*stmt.expressions[i]))) return execute(stmt.bodies[i], out);
  if (stmt.bodies.size() > stmt.expressions.size()) return execute(stmt.bodies.back(), out);
  return Flow::normal;
}

Evaluator::Flow Evaluator::execute_loop(const Stmt& stmt, TextBuilder& out) {
  std::vector<Value> items = iterate(heap_, evaluate(*stmt.expressions[0]));
  const Target& target = stmt.targets[0];
  Inner inner(*this);
  if (stmt.expressions[1]) {
    std::vector<Value> kept;
    for (Value& item : items) {
      inner.renew();
      assign(target, item);
      if (truthy(evaluate(*stmt.expressions[1]))) heap_.push(kept, std::move(item));
    }
    items = std::move(kept);
  }
  if (items.empty()) {
    inner.renew();
    return execute(stmt.bodies[1], out);
  }
  auto* loop = heap_.make<Loop>();
  loop->items = std::move(items);
  for (; loop->index < loop->items.size(); ++loop->index) {
    inner.renew();
    budget().step();
    store(kLoop, Value::of(Kind::loop, loop));
    assign(target, loop->items[loop->index]);
    if (execute(stmt.bodies[0], out) == Flow::leave) break;
  }
  return Flow::normal;
}

void Evaluator::execute_set_block(const Stmt& stmt) {
  TextBuilder inner(budget());
  execute_inner(stmt.bodies[0], inner);
  Value value(inner.take());
  if (stmt.expressions[0]) value = evaluate_filter(*stmt.expressions[0], &value);
  assign(stmt.targets[0], value);
}

Value Evaluator::macro_value(const MacroDefinition& macro) {
  auto* callable = heap_.make<Callable>();
  callable->name = macro.name;
  callable->macro = &macro;
  callable->scope = scope_;
  for (Scope* scope = scope_; scope && !scope->captured; scope = scope->parent)
    scope->captured = true;
  return Value::of(Kind::callable, callable);
}

void Evaluator::execute_call_block(const Stmt& stmt, TextBuilder& out) {
  const Value caller = macro_value(*stmt.macro);
  print(evaluate_call(*stmt.expressions[0], &caller), out);
}

Evaluator::Flow Evaluator::execute_with(const Stmt& stmt, TextBuilder& out) {
  std::vector<Value> values;
  for (const ExprPtr& expr : stmt.expressions) values.push_back(evaluate(*expr));
  const Inner inner(*this);
  for (std::size_t i = 0; i < values.size(); ++i) assign(stmt.targets[i], values[i]);
  return execute(stmt.bodies[0], out);
}

Value Evaluator::loop_attribute(const Value& object, const std::string& name) {
  const Loop& loop = *object.loop();
  const std::size_t n = loop.items.size(), i = loop.index;
  const auto neighbour = [&](bool there, std::size_t at, const char* why) {
    return there ? loop.items[at] : heap_.undefined(why);
  };
  if (name == "index") return Value::of(i + 1);
  if (name == "index0") return Value::of(i);
  if (name == "revindex") return Value::of(n - i);
  if (name == "revindex0") return Value::of(n - i - 1);
  if (name == "first") return Value::of(i == 0);
  if (name == "last") return Value::of(i + 1 == n);
  if (name == "length") return Value::of(n);
  if (name == "depth") return Value::of(std::int64_t{1});
  if (name == "depth0") return Value::of(std::int64_t{0});
  if (name == "previtem") return neighbour(i > 0, i - 1, "there is no previous item");
  if (name == "nextitem") return neighbour(i + 1 < n, i + 1, "there is no next item");
  Value found = method(object, name);
  if (!found.is_undefined()) return found;
  return heap_.undefined("'loop object' has no attribute '" + name + "'");
}

}  // namespace limbeck::jinja
