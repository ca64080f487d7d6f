// The syntax tree of a chat template. Its depth is bounded by the parser, so walks may recurse.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/text/template_value.h"

namespace limbeck::jinja {

struct Filter;     // a row of the table in template_filters.h
struct Predicate;  // a row of the table in template_predicates.h
struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using Body = std::vector<std::unique_ptr<Stmt>>;
using NameId = std::uint32_t;

enum class ExprKind : std::uint8_t {
  constant,
  name,
  list,
  tuple,
  dict,       // operands: key, value, key, value, ...
  attribute,  // operands[0].text
  item,       // operands[0][operands[1]]
  slice,      // operands[0][operands[1]:operands[2]:operands[3]], absent ones null
  call,       // operands[0](arguments)
  filter,     // operands[0] | filter(arguments); operands[0] null: the body of a filter block
  test,       // operands[0] is predicate(arguments)
  negate,
  plus,
  logical_not,
  logical_and,
  logical_or,
  binary,     // operators[0]
  concat,     // all operands, by ~
  compare,    // operands[0] operators[0] operands[1] operators[1] ...
  condition,  // operands[1] if operands[0] else operands[2] (may be null)
};

enum class Operator : std::uint8_t {
  add,
  subtract,
  multiply,
  divide,
  floor_divide,
  modulo,
  power,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  in,
  not_in,
};

struct Argument {
  enum class Kind : std::uint8_t { positional, named, spread, spread_named } kind;
  std::string name;
  ExprPtr value;
};

struct Expr {
  ExprKind kind;
  std::uint32_t line = 0, depth = 1;
  NameId id = 0;
  std::string text;  // a name or an attribute
  Value value;       // of a constant
  std::vector<ExprPtr> operands;
  std::vector<Operator> operators;
  std::vector<Argument> arguments;
  const Filter* filter = nullptr;
  const Predicate* predicate = nullptr;
};

// What set and for assign to: a name, an attribute of a namespace, or a tuple of those.
struct Target {
  NameId id = 0;
  std::string attribute;  // of the namespace `id`; empty for a plain name
  std::vector<Target> parts;
};

struct Parameter {
  NameId id;
  std::string name;
  ExprPtr fallback;  // null: none
};

struct MacroDefinition {
  std::string name;
  NameId id = 0;
  std::vector<Parameter> parameters;
  Body body;
  bool uses_varargs = false, uses_kwargs = false, uses_caller = false;
};

enum class StmtKind : std::uint8_t {
  text,
  output,
  branch,  // conditions[i] -> bodies[i]; one body more: else
  loop,
  set,
  set_block,
  macro,
  call_block,
  filter_block,
  with,
  body,   // generation: just its content
  leave,  // break
  next,   // continue
};

struct Stmt {
  StmtKind kind;
  std::uint32_t line = 0;
  TextPtr text;
  std::vector<ExprPtr> expressions;  // output, conditions, set, iterable and filter of a loop
  std::vector<Body> bodies;          // loop: body, else
  std::vector<Target> targets;
  std::unique_ptr<MacroDefinition> macro;
};

struct Template {
  std::string origin;
  TemplateLimits limits;
  std::vector<std::string> names;  // by NameId
  Body body;
};

// Names the interpreter itself knows, interned first in this order.
enum KnownName : NameId { kLoop, kCaller, kVarargs, kKwargs, kKnownNames };

// Throws Error{format} on bad syntax and on exceeded limits, Error{unsupported} on tags, filters
// and tests that are not known; both with the line.
Template parse_template(std::string_view source, std::string_view origin,
                        const TemplateLimits& limits);

}  // namespace limbeck::jinja
