#include "limbeck/text/template_predicates.h"

#include "limbeck/text/template_case.h"
#include "limbeck/text/template_filters.h"
#include "limbeck/text/template_operators.h"

namespace limbeck::jinja {
namespace {

const Value& argument(Evaluator& e, const Call& call) {
  const auto bound = call.bind(e.heap(), {"other"});
  if (!bound[0]) e.heap().error(fmt::format("the test '{}' needs an argument", call.function));
  return *bound[0];
}

template <Operator op>
bool compares(Evaluator& e, const Value& v, const Call& call) {
  return holds(e.heap(), op, v, argument(e, call));
}

std::int64_t remainder(Evaluator& e, const Value& v, std::int64_t by) {
  require_defined(e.heap(), v);
  if (!v.is_integral()) e.heap().error(fmt::format("a {} is no integer", type_name(v)));
  if (by == 0) e.heap().error("division by zero");
  return by == -1 ? 0 : v.as_integer() % by;
}

bool is_same(Evaluator& e, const Value& v, const Call& call) {
  const Value& other = argument(e, call);
  if (v.kind != other.kind) return false;
  switch (v.kind) {
    case Kind::undefined:
      return false;
    case Kind::none:
      return true;
    case Kind::string:
      return v.text->bytes == other.text->bytes;
    case Kind::boolean:
    case Kind::integer:
      return v.as_integer() == other.as_integer();
    case Kind::real:
      return v.real == other.real;
    default:
      return v.object == other.object;
  }
}

bool is_sequence(const Value& v) {
  return v.is_undefined() || v.is_string() || v.kind == Kind::dict ||
         (v.kind == Kind::sequence &&
          (v.sequence()->flavor <= Flavor::tuple || v.sequence()->flavor == Flavor::range));
}

// str.isupper() and str.islower(): the other case would change it, this one does not.
bool has_case(Evaluator& e, const Value& v, Case wanted) {
  const TextPtr text = to_str(e.heap(), v);
  const Case other = wanted == Case::upper ? Case::lower : Case::upper;
  return change_case(e.budget(), *text, wanted)->bytes == text->bytes &&
         change_case(e.budget(), *text, other)->bytes != text->bytes;
}

bool is_name_of(Evaluator& e, const Value& v, const Call& call, bool filter) {
  call.bind(e.heap(), {});
  if (!v.is_string()) return false;
  return filter ? find_filter(v.text->bytes) != nullptr : find_predicate(v.text->bytes) != nullptr;
}

using E = Evaluator;
using V = Value;
using C = Call;
constexpr Predicate kPredicates[] = {
    {"defined", [](E&, const V& v, const C&) { return !v.is_undefined(); }},
    {"undefined", [](E&, const V& v, const C&) { return v.is_undefined(); }},
    {"none", [](E&, const V& v, const C&) { return v.is_none(); }},
    {"string", [](E&, const V& v, const C&) { return v.is_string(); }},
    {"number", [](E&, const V& v, const C&) { return v.is_number(); }},
    {"integer", [](E&, const V& v, const C&) { return v.kind == Kind::integer; }},
    {"float", [](E&, const V& v, const C&) { return v.kind == Kind::real; }},
    {"boolean", [](E&, const V& v, const C&) { return v.kind == Kind::boolean; }},
    {"true", [](E&, const V& v, const C&) { return v.kind == Kind::boolean && v.boolean; }},
    {"false", [](E&, const V& v, const C&) { return v.kind == Kind::boolean && !v.boolean; }},
    {"mapping", [](E&, const V& v, const C&) { return v.kind == Kind::dict; }},
    {"iterable", [](E&, const V& v, const C&) { return is_iterable(v); }},
    {"sequence", [](E&, const V& v, const C&) { return is_sequence(v); }},
    {"callable", [](E&, const V& v, const C&) { return v.kind == Kind::callable; }},
    {"escaped", [](E&, const V& v, const C&) { return v.is_string() && v.text->markup; }},
    {"sameas", is_same},
    {"eq", compares<Operator::equal>},
    {"==", compares<Operator::equal>},
    {"equalto", compares<Operator::equal>},
    {"ne", compares<Operator::not_equal>},
    {"!=", compares<Operator::not_equal>},
    {"lt", compares<Operator::less>},
    {"<", compares<Operator::less>},
    {"lessthan", compares<Operator::less>},
    {"le", compares<Operator::less_equal>},
    {"<=", compares<Operator::less_equal>},
    {"gt", compares<Operator::greater>},
    {">", compares<Operator::greater>},
    {"greaterthan", compares<Operator::greater>},
    {"ge", compares<Operator::greater_equal>},
    {">=", compares<Operator::greater_equal>},
    {"in", compares<Operator::in>},
    {"odd", [](E& e, const V& v, const C&) { return remainder(e, v, 2) != 0; }},
    {"even", [](E& e, const V& v, const C&) { return remainder(e, v, 2) == 0; }},
    {"divisibleby",
     [](E& e, const V& v, const C& c) {
       return remainder(e, v, integer(e.heap(), &argument(e, c), 0)) == 0;
     }},
    {"upper", [](E& e, const V& v, const C&) { return has_case(e, v, Case::upper); }},
    {"lower", [](E& e, const V& v, const C&) { return has_case(e, v, Case::lower); }},
    {"filter", [](E& e, const V& v, const C& c) { return is_name_of(e, v, c, true); }},
    {"test", [](E& e, const V& v, const C& c) { return is_name_of(e, v, c, false); }},
};

}  // namespace

const Predicate* find_predicate(std::string_view name) {
  for (const Predicate& predicate : kPredicates)
    if (predicate.name == name) return &predicate;
  return nullptr;
}

}  // namespace limbeck::jinja
