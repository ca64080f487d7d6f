// Expressions, with the precedence of Jinja 3.1 (its parser reads them in this order, too):
// if-else, or, and, not, comparisons, + -, ~, * / // %, **, unary, postfix, filters and tests.
#include <charconv>

#include "limbeck/text/template_filters.h"
#include "limbeck/text/template_parser.h"
#include "limbeck/text/template_predicates.h"

namespace limbeck::jinja {
namespace {

struct Row {
  std::string_view text;
  Operator op;
};
constexpr Row kComparisons[] = {{"==", Operator::equal},  {"!=", Operator::not_equal},
                                {"<", Operator::less},    {"<=", Operator::less_equal},
                                {">", Operator::greater}, {">=", Operator::greater_equal}};
constexpr Row kProducts[] = {{"*", Operator::multiply},
                             {"/", Operator::divide},
                             {"//", Operator::floor_divide},
                             {"%", Operator::modulo}};

template <std::size_t n>
const Row* find(const Row (&rows)[n], const Token& token) {
  if (token.type != TokenType::symbol) return nullptr;
  for (const Row& row : rows)
    if (row.text == token.text) return &row;
  return nullptr;
}

}  // namespace

ExprPtr Parser::binary(Operator op, ExprPtr left, ExprPtr right) {
  ExprPtr node = make(ExprKind::binary, std::move(left));
  node->operators.push_back(op);
  adopt(*node, std::move(right));
  return node;
}

ExprPtr Parser::expression() {
  const Nesting nesting(*this);
  ExprPtr node = either();
  while (is_name("if")) {
    take();
    ExprPtr condition = make(ExprKind::condition, either());
    adopt(*condition, std::move(node));
    adopt(*condition, skip_name("else") ? expression() : nullptr);
    node = std::move(condition);
  }
  return node;
}

ExprPtr Parser::tuple(bool with_condition) {
  const auto one = [&] { return with_condition ? expression() : either(); };
  ExprPtr first = one();
  if (!is_symbol(",")) return first;
  ExprPtr node = make(ExprKind::tuple, std::move(first));
  while (skip_symbol(",")) {
    if (now().type == TokenType::variable_end || now().type == TokenType::block_end ||
        is_symbol(")") || is_symbol("]") || is_symbol("=") || is_name("in"))
      break;
    adopt(*node, one());
  }
  return node;
}

ExprPtr Parser::either() {
  ExprPtr node = both();
  while (skip_name("or")) {
    ExprPtr left = make(ExprKind::logical_or, std::move(node));
    adopt(*left, both());
    node = std::move(left);
  }
  return node;
}

ExprPtr Parser::both() {
  ExprPtr node = negation();
  while (skip_name("and")) {
    ExprPtr left = make(ExprKind::logical_and, std::move(node));
    adopt(*left, negation());
    node = std::move(left);
  }
  return node;
}

ExprPtr Parser::negation() {
  if (!is_name("not")) return comparison();
  const Nesting nesting(*this);
  take();
  return make(ExprKind::logical_not, negation());
}

ExprPtr Parser::comparison() {
  ExprPtr node = sum();
  ExprPtr chain;
  while (true) {
    Operator op;
    if (const Row* row = find(kComparisons, now())) {
      op = row->op;
      take();
    } else if (skip_name("in")) {
      op = Operator::in;
    } else if (is_name("not") && ahead().type == TokenType::name && ahead().text == "in") {
      take();
      take();
      op = Operator::not_in;
    } else {
      break;
    }
    if (!chain) chain = make(ExprKind::compare, std::move(node));
    chain->operators.push_back(op);
    adopt(*chain, sum());
  }
  return chain ? std::move(chain) : std::move(node);
}

ExprPtr Parser::sum() {
  ExprPtr node = concatenation();
  while (is_symbol("+") || is_symbol("-")) {
    const Operator op = take().text == "+" ? Operator::add : Operator::subtract;
    node = binary(op, std::move(node), concatenation());
  }
  return node;
}

ExprPtr Parser::concatenation() {
  ExprPtr node = product();
  if (!is_symbol("~")) return node;
  node = make(ExprKind::concat, std::move(node));
  while (skip_symbol("~")) adopt(*node, product());
  return node;
}

ExprPtr Parser::product() {
  ExprPtr node = power();
  while (const Row* row = find(kProducts, now())) {
    take();
    node = binary(row->op, std::move(node), power());
  }
  return node;
}

ExprPtr Parser::power() {
  ExprPtr node = unary();
  while (skip_symbol("**")) node = binary(Operator::power, std::move(node), unary());
  return node;
}

ExprPtr Parser::unary(bool with_filter) {
  const Nesting nesting(*this);
  ExprPtr node;
  if (skip_symbol("-")) {
    node = make(ExprKind::negate, unary(false));
  } else if (skip_symbol("+")) {
    node = make(ExprKind::plus, unary(false));
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filter ? filters(std::move(node)) : std::move(node);
}

ExprPtr Parser::primary() {
  if (now().type == TokenType::string) return string_constant();
  if (now().type == TokenType::integer || now().type == TokenType::real) return number_constant();
  if (is_symbol("[")) return list();
  if (is_symbol("{")) return dict();
  if (skip_symbol("(")) {
    if (skip_symbol(")")) return make(ExprKind::tuple);
    ExprPtr node = tuple();
    expect_symbol(")");
    return node;
  }
  if (now().type != TokenType::name) unexpected("a value");
  const Token token = take();
  ExprPtr node = make(ExprKind::constant);
  if (token.text == "true" || token.text == "True") {
    node->value = Value::of(true);
  } else if (token.text == "false" || token.text == "False") {
    node->value = Value::of(false);
  } else if (token.text == "none" || token.text == "None") {
    node->value = Value::none();
  } else {
    node->kind = ExprKind::name;
    node->text = token.text;
    node->id = intern(token.text);
    use(node->id);
  }
  return node;
}

ExprPtr Parser::string_constant() {
  ExprPtr node = make(ExprKind::constant);
  std::string text = take().text;
  while (now().type == TokenType::string) text += take().text;
  node->value = Value(literal(text));
  return node;
}

ExprPtr Parser::number_constant() {
  ExprPtr node = make(ExprKind::constant);
  const Token token = take();
  const char *from = token.text.data(), *to = from + token.text.size();
  if (token.type == TokenType::real) {
    double value = 0;
    if (std::from_chars(from, to, value).ec != std::errc()) error("bad number");
    node->value = Value::of(value);
    return node;
  }
  int base = 10;
  if (token.text.size() > 1 && token.text[0] == '0') {
    const char letter = static_cast<char>(token.text[1] | 0x20);
    base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    if (base != 10) from += 2;
  }
  std::int64_t value = 0;
  const auto end = std::from_chars(from, to, value, base);
  if (end.ec == std::errc::result_out_of_range) unsupported("an integer beyond 64 bits");
  if (end.ec != std::errc() || end.ptr != to) error("bad number '" + token.text + "'");
  node->value = Value::of(value);
  return node;
}

ExprPtr Parser::list() {
  expect_symbol("[");
  ExprPtr node = make(ExprKind::list);
  while (!is_symbol("]")) {
    if (!node->operands.empty()) expect_symbol(",");
    if (is_symbol("]")) break;
    adopt(*node, expression());
  }
  expect_symbol("]");
  return node;
}

ExprPtr Parser::dict() {
  expect_symbol("{");
  ExprPtr node = make(ExprKind::dict);
  while (!is_symbol("}")) {
    if (!node->operands.empty()) expect_symbol(",");
    if (is_symbol("}")) break;
    adopt(*node, expression());
    expect_symbol(":");
    adopt(*node, expression());
  }
  expect_symbol("}");
  return node;
}

ExprPtr Parser::postfix(ExprPtr node) {
  while (true) {
    if (skip_symbol(".")) {
      node = attribute(std::move(node));
    } else if (skip_symbol("[")) {
      node = subscript(std::move(node));
    } else if (is_symbol("(")) {
      node = make(ExprKind::call, std::move(node));
      give(*node, arguments());
    } else {
      return node;
    }
  }
}

ExprPtr Parser::filters(ExprPtr node) {
  while (true) {
    if (skip_symbol("|")) {
      node = filter(std::move(node));
    } else if (skip_name("is")) {
      node = test(std::move(node));
    } else if (is_symbol("(")) {
      node = make(ExprKind::call, std::move(node));
      give(*node, arguments());
    } else {
      return node;
    }
  }
}

ExprPtr Parser::attribute(ExprPtr node) {
  if (now().type == TokenType::integer) {
    ExprPtr item = make(ExprKind::item, std::move(node));
    adopt(*item, number_constant());
    return item;
  }
  if (now().type != TokenType::name) unexpected("an attribute's name");
  ExprPtr result = make(ExprKind::attribute, std::move(node));
  result->text = take().text;
  result->value = Value(literal(result->text));
  return result;
}

ExprPtr Parser::subscript(ExprPtr node) {
  ExprPtr start = slice_part();
  if (!is_symbol(":")) {
    if (!start) unexpected("an index");
    ExprPtr item = make(ExprKind::item, std::move(node));
    if (is_symbol(",")) {
      start = make(ExprKind::tuple, std::move(start));
      while (skip_symbol(",")) adopt(*start, expression());
    }
    adopt(*item, std::move(start));
    expect_symbol("]");
    return item;
  }
  ExprPtr slice = make(ExprKind::slice, std::move(node));
  adopt(*slice, std::move(start));
  take();
  adopt(*slice, slice_part());
  adopt(*slice, skip_symbol(":") ? slice_part() : nullptr);
  expect_symbol("]");
  return slice;
}

ExprPtr Parser::slice_part() { return is_symbol(":") || is_symbol("]") ? nullptr : expression(); }

ExprPtr Parser::filter(ExprPtr node) {
  const std::string name = expect_identifier("a filter's name");
  ExprPtr result = make(ExprKind::filter);
  adopt(*result, std::move(node));
  result->text = name;
  result->filter = find_filter(name);
  if (!result->filter) unsupported("the filter '" + name + "'");
  if (is_symbol("(")) give(*result, arguments());
  return result;
}

ExprPtr Parser::test(ExprPtr node) {
  const bool negated = skip_name("not");
  const std::string name = expect_identifier("a test's name");
  ExprPtr result = make(ExprKind::test, std::move(node));
  result->text = name;
  result->predicate = find_predicate(name);
  if (!result->predicate) unsupported("the test '" + name + "'");
  if (is_symbol("(")) {
    give(*result, arguments());
  } else if (now().type == TokenType::string || now().type == TokenType::integer ||
             now().type == TokenType::real || is_symbol("[") || is_symbol("{") ||
             (now().type == TokenType::name && !is_name("else") && !is_name("or") &&
              !is_name("and") && !is_name("if") && !is_name("in") && !is_name("not"))) {
    if (is_name("is")) error("tests cannot be chained with 'is'");
    std::vector<Argument> one;
    one.push_back({Argument::Kind::positional, {}, postfix(primary())});
    give(*result, std::move(one));
  }
  return negated ? make(ExprKind::logical_not, std::move(result)) : std::move(result);
}

std::vector<Argument> Parser::arguments() {
  const Nesting nesting(*this);
  std::vector<Argument> result;
  expect_symbol("(");
  while (!is_symbol(")")) {
    if (!result.empty()) expect_symbol(",");
    if (is_symbol(")")) break;
    Argument argument{Argument::Kind::positional, {}, nullptr};
    if (skip_symbol("*")) {
      argument.kind = Argument::Kind::spread;
    } else if (skip_symbol("**")) {
      argument.kind = Argument::Kind::spread_named;
    } else if (now().type == TokenType::name && ahead().type == TokenType::symbol &&
               ahead().text == "=") {
      argument.kind = Argument::Kind::named;
      argument.name = take().text;
      take();
    }
    argument.value = expression();
    const bool after_named = !result.empty() && result.back().kind >= Argument::Kind::named &&
                             result.back().kind != Argument::Kind::spread;
    if (argument.kind == Argument::Kind::positional && after_named)
      error("a positional argument after a named one");
    result.push_back(std::move(argument));
  }
  expect_symbol(")");
  return result;
}

}  // namespace limbeck::jinja
