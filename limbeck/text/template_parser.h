// The parser of chat templates, in two halves: expressions and statements.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "limbeck/text/template_ast.h"
#include "limbeck/text/template_lexer.h"

namespace limbeck::jinja {

class Parser {
 public:
  Parser(std::vector<Token> tokens, Template& result);
  Body run();

 private:
  // Recursion of the parser itself, counted in every function that can nest.
  class Nesting {
   public:
    explicit Nesting(Parser& parser);
    ~Nesting() { --parser_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    Parser& parser_;
  };

  // template_parse_expression.cpp
  ExprPtr expression();                       // with "a if b else c"
  ExprPtr tuple(bool with_condition = true);  // expression, or several with commas between
  ExprPtr either();
  ExprPtr both();
  ExprPtr negation();
  ExprPtr comparison();
  ExprPtr sum();
  ExprPtr concatenation();
  ExprPtr product();
  ExprPtr power();
  ExprPtr unary(bool with_filter = true);
  ExprPtr primary();
  ExprPtr string_constant();
  ExprPtr number_constant();
  ExprPtr list();
  ExprPtr dict();
  ExprPtr postfix(ExprPtr node);
  ExprPtr filters(ExprPtr node);
  ExprPtr attribute(ExprPtr node);
  ExprPtr subscript(ExprPtr node);
  ExprPtr slice_part();
  ExprPtr filter(ExprPtr node);
  ExprPtr test(ExprPtr node);
  std::vector<Argument> arguments();  // from the "(" to behind the ")"
  ExprPtr binary(Operator op, ExprPtr left, ExprPtr right);

  // template_parse_statement.cpp
  using Ends = std::vector<std::string_view>;
  Body statements(const Ends& ends);  // up to a tag named in `ends`; its name token is next
  std::unique_ptr<Stmt> statement();
  std::unique_ptr<Stmt> branch();
  std::unique_ptr<Stmt> loop();
  std::unique_ptr<Stmt> set();
  std::unique_ptr<Stmt> macro();
  std::unique_ptr<Stmt> call_block();
  std::unique_ptr<Stmt> filter_block();
  std::unique_ptr<Stmt> with();
  std::unique_ptr<Stmt> generation();
  std::unique_ptr<Stmt> loop_control(StmtKind kind);
  void signature(MacroDefinition& macro);
  Body macro_body(MacroDefinition& macro, std::string_view end);
  Target target(bool with_attribute);
  Target one_target(bool with_attribute);
  Body body(std::string_view end);  // statements up to {% end %}, which is consumed

  // Tokens and nodes.
  const Token& now() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  Token take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool is(TokenType type, std::string_view text) const {
    return now().type == type && now().text == text;
  }
  bool is_symbol(std::string_view text) const { return is(TokenType::symbol, text); }
  bool is_name(std::string_view text) const { return is(TokenType::name, text); }
  bool skip_symbol(std::string_view text);
  bool skip_name(std::string_view text);
  void expect_symbol(std::string_view text);
  void expect_name(std::string_view text);
  void expect_block_end();
  std::string expect_identifier(std::string_view what);
  [[noreturn]] void unexpected(std::string_view wanted) const;
  [[noreturn]] void error(std::string_view message) const;
  [[noreturn]] void unsupported(std::string_view what) const;

  ExprPtr make(ExprKind kind);
  ExprPtr make(ExprKind kind, ExprPtr operand);  // wraps: counts the depth of the tree
  void adopt(Expr& parent, ExprPtr child);
  void give(Expr& node, std::vector<Argument> arguments);
  void seal(Expr& expr) const;  // checks the depth of the tree
  std::unique_ptr<Stmt> make_statement(StmtKind kind);
  void count_node();
  NameId intern(const std::string& name);
  void use(NameId id);  // a name is read: macros note caller, varargs, kwargs

  std::vector<Token> tokens_;
  Template& result_;
  std::unordered_map<std::string, NameId> ids_;
  std::size_t at_ = 0, nodes_ = 0, nesting_ = 0, loops_ = 0;
  std::vector<MacroDefinition*> macros_;  // being parsed, the outermost first
};

}  // namespace limbeck::jinja
