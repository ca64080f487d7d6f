// Statements: {% if %}, {% for %}, {% set %}, {% macro %}, {% call %}, {% filter %}, {% with %},
// {% generation %}, {% break %}, {% continue %}.
#include <algorithm>

#include "limbeck/text/template_parser.h"

namespace limbeck::jinja {
namespace {

// Deep enough for a sum of some hundred strings; walking it must fit a thread's stack.
constexpr std::uint32_t kTreeDepth = 400;

}  // namespace

Parser::Nesting::Nesting(Parser& parser) : parser_(parser) {
  if (parser.nesting_ >= parser.result_.limits.parse_depth)
    parser.error(fmt::format("the template nests deeper than {}", parser.nesting_));
  ++parser.nesting_;
}

Parser::Parser(std::vector<Token> tokens, Template& result)
    : tokens_(std::move(tokens)), result_(result) {
  for (const char* name : {"loop", "caller", "varargs", "kwargs"}) intern(name);
}

Body Parser::run() { return statements({}); }

bool Parser::skip_symbol(std::string_view text) {
  if (!is_symbol(text)) return false;
  take();
  return true;
}
bool Parser::skip_name(std::string_view text) {
  if (!is_name(text)) return false;
  take();
  return true;
}
void Parser::expect_symbol(std::string_view text) {
  if (!skip_symbol(text)) unexpected(fmt::format("'{}'", text));
}
void Parser::expect_name(std::string_view text) {
  if (!skip_name(text)) unexpected(fmt::format("'{}'", text));
}
void Parser::expect_block_end() {
  if (now().type != TokenType::block_end) unexpected("'%}'");
  take();
}
std::string Parser::expect_identifier(std::string_view what) {
  if (now().type != TokenType::name) unexpected(what);
  return take().text;
}
void Parser::unexpected(std::string_view wanted) const {
  std::string found = now().text;
  switch (now().type) {
    case TokenType::variable_end:
      found = "}}";
      break;
    case TokenType::block_end:
      found = "%}";
      break;
    case TokenType::end:
      found = "the end of the template";
      break;
    default:
      break;
  }
  error(fmt::format("expected {}, found '{}'", wanted, found.substr(0, 60)));
}
void Parser::error(std::string_view message) const {
  fail(ErrorKind::format, "{}:{}: {}", result_.origin, now().line, message);
}
void Parser::unsupported(std::string_view what) const {
  fail(ErrorKind::unsupported, "{}:{}: {} is not supported in chat templates", result_.origin,
       now().line, what);
}

void Parser::count_node() {
  if (++nodes_ > result_.limits.nodes)
    error(fmt::format("the template has more than {} nodes", result_.limits.nodes));
}
ExprPtr Parser::make(ExprKind kind) {
  count_node();
  auto node = std::make_unique<Expr>();
  node->kind = kind;
  node->line = static_cast<std::uint32_t>(now().line);
  return node;
}
ExprPtr Parser::make(ExprKind kind, ExprPtr operand) {
  ExprPtr node = make(kind);
  node->line = operand->line;
  adopt(*node, std::move(operand));
  return node;
}
void Parser::adopt(Expr& parent, ExprPtr child) {
  if (child) parent.depth = std::max(parent.depth, child->depth + 1);
  parent.operands.push_back(std::move(child));
  seal(parent);
}
void Parser::give(Expr& node, std::vector<Argument> arguments) {
  for (const Argument& argument : arguments)
    node.depth = std::max(node.depth, argument.value->depth + 1);
  node.arguments = std::move(arguments);
  seal(node);
}
void Parser::seal(Expr& expr) const {
  if (expr.depth > kTreeDepth)
    error(fmt::format("an expression nests or chains more than {} operations", kTreeDepth));
}
std::unique_ptr<Stmt> Parser::make_statement(StmtKind kind) {
  count_node();
  auto node = std::make_unique<Stmt>();
  node->kind = kind;
  node->line = static_cast<std::uint32_t>(now().line);
  return node;
}
NameId Parser::intern(const std::string& name) {
  const auto [found, added] = ids_.emplace(name, static_cast<NameId>(result_.names.size()));
  if (added) result_.names.push_back(name);
  return found->second;
}
void Parser::use(NameId id) {
  for (MacroDefinition* macro : macros_) {
    if (id == kVarargs) macro->uses_varargs = true;
    if (id == kKwargs) macro->uses_kwargs = true;
    if (id == kCaller) macro->uses_caller = true;
  }
}

Body Parser::statements(const Ends& ends) {
  const Nesting nesting(*this);
  Body result;
  while (now().type != TokenType::end) {
    if (now().type == TokenType::data) {
      auto node = make_statement(StmtKind::text);
      node->text = literal(take().text);
      result.push_back(std::move(node));
    } else if (now().type == TokenType::variable_begin) {
      auto node = make_statement(StmtKind::output);
      take();
      node->expressions.push_back(tuple());
      if (now().type != TokenType::variable_end) unexpected("'}}'");
      take();
      result.push_back(std::move(node));
    } else {
      const std::size_t line = take().line;
      if (now().type != TokenType::name) unexpected("a tag's name");
      if (std::find(ends.begin(), ends.end(), now().text) != ends.end()) return result;
      result.push_back(statement());
      result.back()->line = static_cast<std::uint32_t>(line);
    }
  }
  if (!ends.empty()) unexpected(fmt::format("{{% {} %}}", ends.back()));
  return result;
}

std::unique_ptr<Stmt> Parser::statement() {
  const std::string name = now().text;
  if (name.substr(0, 3) == "end" || name == "else" || name == "elif")
    error("unexpected tag '" + name + "'");
  struct Tag {
    std::string_view name;
    std::unique_ptr<Stmt> (Parser::*parse)();
  };
  constexpr Tag kTags[] = {
      {"if", &Parser::branch},       {"for", &Parser::loop},
      {"set", &Parser::set},         {"macro", &Parser::macro},
      {"call", &Parser::call_block}, {"filter", &Parser::filter_block},
      {"with", &Parser::with},       {"generation", &Parser::generation},
  };
  for (const Tag& tag : kTags)
    if (tag.name == name) return take(), (this->*tag.parse)();
  if (name == "break") return loop_control(StmtKind::leave);
  if (name == "continue") return loop_control(StmtKind::next);
  unsupported("the tag '" + name + "'");
}

Body Parser::body(std::string_view end) {
  expect_block_end();
  Body result = statements({end});
  take();
  expect_block_end();
  return result;
}

std::unique_ptr<Stmt> Parser::branch() {
  auto node = make_statement(StmtKind::branch);
  while (true) {
    node->expressions.push_back(tuple(false));
    expect_block_end();
    node->bodies.push_back(statements({"elif", "else", "endif"}));
    if (!skip_name("elif")) break;
    count_node();
  }
  if (skip_name("else")) {
    expect_block_end();
    node->bodies.push_back(statements({"endif"}));
  }
  expect_name("endif");
  expect_block_end();
  return node;
}

std::unique_ptr<Stmt> Parser::loop() {
  auto node = make_statement(StmtKind::loop);
  node->targets.push_back(target(false));
  expect_name("in");
  node->expressions.push_back(tuple(false));
  node->expressions.push_back(skip_name("if") ? expression() : nullptr);
  if (is_name("recursive")) unsupported("a recursive loop");
  expect_block_end();
  ++loops_;
  node->bodies.push_back(statements({"else", "endfor"}));
  --loops_;
  node->bodies.emplace_back();
  if (skip_name("else")) {
    expect_block_end();
    node->bodies.back() = statements({"endfor"});
  }
  expect_name("endfor");
  expect_block_end();
  return node;
}

std::unique_ptr<Stmt> Parser::set() {
  auto node = make_statement(StmtKind::set);
  node->targets.push_back(target(true));
  if (skip_symbol("=")) {
    node->expressions.push_back(tuple());
    expect_block_end();
    return node;
  }
  node->kind = StmtKind::set_block;
  ExprPtr chain;
  while (skip_symbol("|")) chain = filter(std::move(chain));
  node->expressions.push_back(std::move(chain));
  node->bodies.push_back(body("endset"));
  return node;
}

void Parser::signature(MacroDefinition& macro) {
  expect_symbol("(");
  while (!is_symbol(")")) {
    if (!macro.parameters.empty()) expect_symbol(",");
    if (is_symbol(")")) break;
    const std::string name = expect_identifier("a parameter's name");
    ExprPtr fallback;
    if (skip_symbol("=")) {
      fallback = expression();
    } else if (!macro.parameters.empty() && macro.parameters.back().fallback) {
      error("a parameter without a default after one with");
    }
    macro.parameters.push_back({intern(name), name, std::move(fallback)});
  }
  expect_symbol(")");
}

Body Parser::macro_body(MacroDefinition& macro, std::string_view end) {
  macros_.push_back(&macro);
  const std::size_t loops = loops_;
  loops_ = 0;
  Body result = body(end);
  loops_ = loops;
  macros_.pop_back();
  return result;
}

std::unique_ptr<Stmt> Parser::macro() {
  auto node = make_statement(StmtKind::macro);
  node->macro = std::make_unique<MacroDefinition>();
  node->macro->name = expect_identifier("a macro's name");
  node->macro->id = intern(node->macro->name);
  signature(*node->macro);
  node->macro->body = macro_body(*node->macro, "endmacro");
  return node;
}

std::unique_ptr<Stmt> Parser::call_block() {
  auto node = make_statement(StmtKind::call_block);
  node->macro = std::make_unique<MacroDefinition>();
  node->macro->name = "caller";
  if (is_symbol("(")) signature(*node->macro);
  ExprPtr call = expression();
  if (call->kind != ExprKind::call) error("expected a call in {% call %}");
  node->expressions.push_back(std::move(call));
  node->macro->body = macro_body(*node->macro, "endcall");
  return node;
}

std::unique_ptr<Stmt> Parser::filter_block() {
  auto node = make_statement(StmtKind::filter_block);
  ExprPtr chain = filter(nullptr);
  while (skip_symbol("|")) chain = filter(std::move(chain));
  node->expressions.push_back(std::move(chain));
  node->bodies.push_back(body("endfilter"));
  return node;
}

std::unique_ptr<Stmt> Parser::with() {
  auto node = make_statement(StmtKind::with);
  while (now().type != TokenType::block_end) {
    if (!node->targets.empty()) expect_symbol(",");
    node->targets.push_back(one_target(false));
    expect_symbol("=");
    node->expressions.push_back(expression());
  }
  node->bodies.push_back(body("endwith"));
  return node;
}

std::unique_ptr<Stmt> Parser::generation() {
  auto node = make_statement(StmtKind::body);
  node->bodies.push_back(body("endgeneration"));
  return node;
}

std::unique_ptr<Stmt> Parser::loop_control(StmtKind kind) {
  auto node = make_statement(kind);
  const std::string name = take().text;
  if (loops_ == 0) error("'" + name + "' outside a loop");
  expect_block_end();
  return node;
}

Target Parser::one_target(bool with_attribute) {
  const Nesting nesting(*this);
  if (skip_symbol("(")) {
    Target inner = target(false);
    expect_symbol(")");
    return inner;
  }
  Target result;
  const std::string name = expect_identifier("a variable's name");
  for (std::string_view word : {"true", "false", "none", "True", "False", "None", "loop"})
    if (name == word) error("'" + name + "' cannot be assigned");
  result.id = intern(name);
  if (with_attribute && skip_symbol("."))
    result.attribute = expect_identifier("an attribute's name");
  return result;
}

Target Parser::target(bool with_attribute) {
  Target first = one_target(with_attribute);
  if (!is_symbol(",")) return first;
  Target result;
  result.parts.push_back(std::move(first));
  while (skip_symbol(",")) {
    if (is_name("in") || is_symbol("=") || is_symbol(")")) break;
    result.parts.push_back(one_target(with_attribute));
  }
  return result;
}

Template parse_template(std::string_view source, std::string_view origin,
                        const TemplateLimits& limits) {
  Template result;
  result.origin = origin;
  result.limits = limits;
  if (source.size() > limits.source_bytes)
    fail(ErrorKind::format, "{}: the template has {} bytes, more than the limit of {}", origin,
         source.size(), limits.source_bytes);
  result.body = Parser(tokenize(source, result.origin), result).run();
  return result;
}

}  // namespace limbeck::jinja
