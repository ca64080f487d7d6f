#include "limbeck/text/template_operators.h"

#include <algorithm>
#include <cmath>

namespace limbeck::jinja {
namespace {

std::string_view symbol(Operator op) {
  constexpr std::string_view kSymbols[] = {"+", "-", "*", "/", "//", "%", "**"};
  return kSymbols[static_cast<std::size_t>(op)];
}

[[noreturn]] void bad_types(Heap& heap, Operator op, const Value& left, const Value& right) {
  heap.error(fmt::format("'{}' and '{}' have no operator {}", type_name(left), type_name(right),
                         symbol(op)));
}

[[noreturn]] void overflow(Heap& heap) {
  fail(ErrorKind::unsupported, "{}:{}: an integer beyond 64 bits", heap.budget().origin(),
       heap.budget().line);
}

std::int64_t power(Heap& heap, std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) overflow(heap);
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) overflow(heap);
  }
  return result;
}

Value integers(Heap& heap, Operator op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  switch (op) {
    case Operator::add:
      if (__builtin_add_overflow(a, b, &result)) overflow(heap);
      break;
    case Operator::subtract:
      if (__builtin_sub_overflow(a, b, &result)) overflow(heap);
      break;
    case Operator::multiply:
      if (__builtin_mul_overflow(a, b, &result)) overflow(heap);
      break;
    case Operator::divide:
      if (b == 0) heap.error("division by zero");
      return Value::of(static_cast<double>(a) / static_cast<double>(b));
    case Operator::floor_divide:
    case Operator::modulo: {
      if (b == 0) heap.error("division by zero");
      if (b == -1)
        return op == Operator::modulo ? Value::of(std::int64_t{0})
                                      : integers(heap, Operator::subtract, 0, a);
      const std::int64_t remainder = a % b;
      const bool adjust = remainder != 0 && (remainder < 0) != (b < 0);
      result = op == Operator::modulo ? (adjust ? remainder + b : remainder) : a / b - adjust;
      break;
    }
    default:
      if (b < 0) return Value::of(std::pow(static_cast<double>(a), static_cast<double>(b)));
      result = power(heap, a, b);
  }
  return Value::of(result);
}

Value reals(Heap& heap, Operator op, double a, double b) {
  const bool divides =
      op == Operator::divide || op == Operator::floor_divide || op == Operator::modulo;
  if (divides && b == 0) heap.error("division by zero");
  switch (op) {
    case Operator::add:
      return Value::of(a + b);
    case Operator::subtract:
      return Value::of(a - b);
    case Operator::multiply:
      return Value::of(a * b);
    case Operator::divide:
      return Value::of(a / b);
    case Operator::floor_divide:
      return Value::of(std::floor(a / b));
    case Operator::modulo: {
      const double remainder = std::fmod(a, b);
      return Value::of(remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder);
    }
    default:
      return Value::of(std::pow(a, b));
  }
}

// A string, or a sequence, times a number.
Value repeat(Heap& heap, const Value& value, std::int64_t times) {
  const std::size_t n = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  if (value.is_string()) {
    const Text& text = *value.text;
    TextBuilder out(heap.budget());
    if (text.runs.size() == 1) {
      out.repeat(text.bytes, n, text.runs[0].trusted);
    } else {
      for (std::size_t i = 0; i < n && !text.bytes.empty(); ++i) out.append(text);
    }
    return Value(out.take(text.markup));
  }
  const auto& items = value.sequence()->items;
  std::vector<Value> result;
  for (std::size_t i = 0; i < n && !items.empty(); ++i) {
    heap.budget().step(items.size());
    for (const Value& item : items) heap.push(result, item);
  }
  return heap.list(std::move(result), value.sequence()->flavor);
}

bool is_list(const Value& value) {
  return value.kind == Kind::sequence && value.sequence()->flavor <= Flavor::tuple;
}

Value add(Heap& heap, const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) {
    if (a.text->markup == b.text->markup)
      return Value(concatenate(heap.budget(), *a.text, *b.text));
    const TextPtr left = escape_html(heap.budget(), *a.text);
    const TextPtr right = escape_html(heap.budget(), *b.text);
    return Value(concatenate(heap.budget(), *left, *right));
  }
  if (!is_list(a) || !is_list(b) || a.sequence()->flavor != b.sequence()->flavor)
    bad_types(heap, Operator::add, a, b);
  std::vector<Value> items;
  heap.budget().step(a.sequence()->items.size() + b.sequence()->items.size());
  for (const Value& item : a.sequence()->items) heap.push(items, item);
  for (const Value& item : b.sequence()->items) heap.push(items, item);
  return heap.list(std::move(items), a.sequence()->flavor);
}

}  // namespace

void require_defined(Heap& heap, const Value& value) {
  if (value.is_undefined())
    heap.error(value.text ? std::string_view(value.text->bytes) : "a value is undefined");
}

Value binary(Heap& heap, Operator op, const Value& left, const Value& right) {
  require_defined(heap, left);
  if (op == Operator::modulo && left.is_string()) {
    if (is_list(right) && right.sequence()->flavor == Flavor::tuple)
      return format_percent(heap, *left.text, right.sequence()->items, nullptr);
    const Dict none;  // Python takes whatever has items for a mapping, and counts nothing then
    const bool has_items = right.is_undefined() || right.kind == Kind::sequence;
    const Dict* named = right.kind == Kind::dict ? right.dict() : has_items ? &none : nullptr;
    return format_percent(heap, *left.text, {right}, named);
  }
  require_defined(heap, right);
  if (left.is_number() && right.is_number()) {
    const bool integral = left.is_integral() && right.is_integral();
    Value result = integral ? integers(heap, op, left.as_integer(), right.as_integer())
                            : reals(heap, op, left.as_real(), right.as_real());
    return std::move(result).with_trust(left.trusted && right.trusted);
  }
  if (op == Operator::add) return add(heap, left, right);
  if (op == Operator::multiply) {
    if ((left.is_string() || is_list(left)) && right.is_integral())
      return repeat(heap, left, right.as_integer());
    if (left.is_integral() && (right.is_string() || is_list(right)))
      return repeat(heap, right, left.as_integer());
  }
  bad_types(heap, op, left, right);
}

Value negate(Heap& heap, const Value& value) {
  require_defined(heap, value);
  if (value.is_integral())
    return integers(heap, Operator::subtract, 0, value.as_integer()).with_trust(value.trusted);
  if (value.kind != Kind::real) heap.error(fmt::format("a {} has no negative", type_name(value)));
  return Value::of(-value.real).with_trust(value.trusted);
}

bool holds(Heap& heap, Operator op, const Value& left, const Value& right) {
  switch (op) {
    case Operator::equal:
      return equal(heap, left, right);
    case Operator::not_equal:
      return !equal(heap, left, right);
    case Operator::in:
      return contains(heap, right, left);
    case Operator::not_in:
      return !contains(heap, right, left);
    default:
      break;
  }
  const int order = compare(heap, left, right);
  const bool nan = (left.kind == Kind::real && std::isnan(left.real)) ||
                   (right.kind == Kind::real && std::isnan(right.real));
  switch (op) {
    case Operator::less:
      return order < 0 && !nan;
    case Operator::less_equal:
      return order <= 0 && !nan;
    case Operator::greater:
      return order > 0 && !nan;
    default:
      return order >= 0 && !nan;
  }
}

Value slice(Heap& heap, const Value& value, const Value* start, const Value* stop,
            const Value* step) {
  require_defined(heap, value);
  const auto number = [&](const Value* part, std::int64_t fallback) {
    if (!part || part->is_none()) return fallback;
    require_defined(heap, *part);
    if (!part->is_integral()) heap.error("slice indices must be integers");
    return part->as_integer();
  };
  const bool sliceable =
      value.is_string() || is_list(value) ||
      (value.kind == Kind::sequence && value.sequence()->flavor == Flavor::range);
  if (!sliceable) return heap.undefined(fmt::format("a {} has no slices", type_name(value)));
  const std::int64_t n = length(heap, value), by = number(step, 1);
  if (by == 0) heap.error("slice step cannot be zero");
  const std::int64_t low = by > 0 ? 0 : -1, high = by > 0 ? n : n - 1;
  const auto clamp = [&](const Value* part, std::int64_t fallback) {
    if (!part || part->is_none()) return fallback;
    std::int64_t at = number(part, 0);
    if (at < 0) at += n;
    return std::clamp(at, low, high);
  };
  const std::int64_t from = clamp(start, by > 0 ? low : high),
                     to = clamp(stop, by > 0 ? high : low);
  // Beyond the length one step is as good as another, and cannot overflow.
  const std::int64_t safe = std::clamp(by, -n - 1, n + 1);
  if (value.is_string()) return Value(slice_points(heap.budget(), value.text, from, to, safe));
  std::vector<Value> items;
  for (std::int64_t i = from; safe > 0 ? i < to : i > to; i += safe) {
    heap.budget().step();
    heap.push(items, value.sequence()->items[static_cast<std::size_t>(i)]);
  }
  return heap.list(std::move(items), value.sequence()->flavor);
}

}  // namespace limbeck::jinja
